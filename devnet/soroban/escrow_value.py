"""The `Escrow` value that the contract stores, as a dataclass and as a contract value."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value, from_sc_address, present
from devnet.chain.packed import PackedValue
from devnet.chain.values import struct
from devnet.soroban.errors import Code, Kind, host_error
from devnet.soroban.profiles import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Milestone:
    """One step of the work; texts are bytes, as in contracts."""

    approved: bool
    description: bytes
    evidence: bytes
    status: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The state of the escrow."""

    disputed: bool
    released: bool
    resolved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """The addresses of the roles."""

    approver: str
    dispute_resolver: str
    platform: str
    receiver: str
    release_signer: str
    service_provider: str

    def everyone(self) -> set[str]:
        """Return all six addresses."""
        return {
            self.approver,
            self.dispute_resolver,
            self.platform,
            self.receiver,
            self.release_signer,
            self.service_provider,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """An escrow. amount: minor units. platform_fee: basis points. token: asset contract."""

    amount: int
    description: bytes
    engagement_id: bytes
    flags: Flags
    milestones: tuple[Milestone, ...]
    platform_fee: int
    receiver_memo: int
    roles: Roles
    title: bytes
    token: str


def decode(value: xdr.SCVal, *, profile: Profile) -> Escrow:
    """Parse an escrow, field by field in their order. The same value is parsed once.

    Raises: HostError: a field is missing or unknown; ValueError: one is of another type.
    """
    known = _known(value.to_xdr_bytes(), profile)
    if not known:
        known.append(_decode(value, profile))
    return known[0]


@lru_cache(maxsize=4096)
def _known(_encoded: bytes, _profile: Profile) -> list[Escrow]:
    """Return the place where a parsed escrow is cached."""
    return []


def _decode(value: xdr.SCVal, profile: Profile) -> Escrow:
    fields = _struct(
        value,
        "amount description engagement_id flags milestones platform_fee receiver_memo roles "
        "title trustline",
    )
    return Escrow(
        amount=scval.from_int128(fields["amount"]),
        description=scval.from_string(fields["description"]),
        engagement_id=scval.from_string(fields["engagement_id"]),
        flags=_flags(fields["flags"]),
        milestones=tuple(_milestone(item) for item in scval.from_vec(fields["milestones"])),
        platform_fee=scval.from_uint32(fields["platform_fee"]),
        receiver_memo=scval.from_uint32(fields["receiver_memo"]),
        roles=_roles(fields["roles"], profile),
        title=scval.from_string(fields["title"]),
        token=address(_struct(fields["trustline"], "address")["address"]),
    )


@lru_cache(maxsize=512)
def encode(escrow: Escrow, *, profile: Profile) -> xdr.SCVal:
    """Encode an escrow; a struct is a map with sorted symbols. Callers must not change it."""
    flags, roles = escrow.flags, escrow.roles
    value = struct(
        {
            "amount": scval.to_int128(escrow.amount),
            "description": scval.to_string(escrow.description),
            "engagement_id": scval.to_string(escrow.engagement_id),
            "flags": struct(
                {
                    "disputed": scval.to_bool(flags.disputed),
                    "released": scval.to_bool(flags.released),
                    "resolved": scval.to_bool(flags.resolved),
                }
            ),
            "milestones": scval.to_vec([_encode_milestone(item) for item in escrow.milestones]),
            "platform_fee": scval.to_uint32(escrow.platform_fee),
            "receiver_memo": scval.to_uint32(escrow.receiver_memo),
            "roles": struct(
                {
                    "approver": address_value(roles.approver),
                    "dispute_resolver": address_value(roles.dispute_resolver),
                    profile.platform_field: address_value(roles.platform),
                    "receiver": address_value(roles.receiver),
                    "release_signer": address_value(roles.release_signer),
                    "service_provider": address_value(roles.service_provider),
                }
            ),
            "title": scval.to_string(escrow.title),
            "trustline": struct({"address": address_value(escrow.token)}),
        }
    )
    return PackedValue(value)


def address(value: xdr.SCVal) -> str:
    """Parse an address value as G… or C…. Raises: ValueError: something else, or multiplexed."""
    found = from_sc_address(present(value.address))
    if found.muxed_id is not None:
        raise ValueError("a plain address is needed")
    return found.account


def _struct(value: xdr.SCVal, names: str) -> Mapping[str, xdr.SCVal]:
    """Unpack a map as the host does: first its size, then each key.

    names: the fields, sorted. Raises: HostError; ValueError: the value is not a map.
    """
    entries, wanted = present(value.map).sc_map, names.split()
    if len(entries) != len(wanted):
        note = f"differing host map and output slice lengths: {len(entries)}, {len(wanted)}"
        raise host_error(Kind.SCE_OBJECT, Code.SCEC_UNEXPECTED_SIZE, note)
    for entry, name in zip(entries, wanted, strict=True):
        if entry.key.sym is None or entry.key.sym.sc_symbol != name.encode():
            note = f"the map has another key than {name}"
            raise host_error(Kind.SCE_OBJECT, Code.SCEC_INVALID_INPUT, note)
    return {name: entry.val for entry, name in zip(entries, wanted, strict=True)}


def _flags(value: xdr.SCVal) -> Flags:
    fields = _struct(value, "disputed released resolved")
    return Flags(**{name: scval.from_bool(item) for name, item in fields.items()})


def _roles(value: xdr.SCVal, profile: Profile) -> Roles:
    fields = _struct(
        value,
        f"approver dispute_resolver {profile.platform_field} receiver release_signer "
        "service_provider",
    )
    return Roles(
        approver=address(fields["approver"]),
        dispute_resolver=address(fields["dispute_resolver"]),
        platform=address(fields[profile.platform_field]),
        receiver=address(fields["receiver"]),
        release_signer=address(fields["release_signer"]),
        service_provider=address(fields["service_provider"]),
    )


def _milestone(value: xdr.SCVal) -> Milestone:
    fields = _struct(value, "approved description evidence status")
    return Milestone(
        approved=scval.from_bool(fields["approved"]),
        description=scval.from_string(fields["description"]),
        evidence=scval.from_string(fields["evidence"]),
        status=scval.from_string(fields["status"]),
    )


def _encode_milestone(milestone: Milestone) -> xdr.SCVal:
    return struct(
        {
            "approved": scval.to_bool(milestone.approved),
            "description": scval.to_string(milestone.description),
            "evidence": scval.to_string(milestone.evidence),
            "status": scval.to_string(milestone.status),
        }
    )
