"""The escrow contract's ABI: calls and stored values, for each build of the contract.

Builds differ in names, widths and argument lists, so each build is a `Profile`, chosen by the hash
of the contract's code.
Source: the single-release contract's interface specification and its source in the public
repositories of its maker.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, singledispatchmethod

from stellar_sdk import scval, xdr

from services.escrow.contracts.evidence import MilestoneView
from services.escrow.contracts.intents import (
    ApproveMilestone,
    ChangeMilestoneStatus,
    DeployEscrow,
    DisputeEscrow,
    EscrowCall,
    FundEscrow,
    ReleaseFunds,
    ResolveDispute,
    Roles,
)
from services.escrow.contracts.kinds import COMPLETED
from services.escrow.ports import ChainRefused, StellarOptions
from services.escrow.stellar.addresses import address_in, sc_address, value_of

OnContract = (
    FundEscrow
    | ChangeMilestoneStatus
    | ApproveMilestone
    | ReleaseFunds
    | DisputeEscrow
    | ResolveDispute
)
FIRST_STATUS = "pending"
INIT_FUNCTION = "initialize_escrow"


class UnknownBuild(ChainRefused):
    """The contract runs an unknown build. Nothing is signed for it."""

    reason = "CONTRACT_BUILD_UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One build. platform_field: the name of the platform's field in `Roles`.

    is_wide: memo and index are i128, not u32; takes_fee_address: release and resolve take the
    provider's fee address as an argument; is_signer_deployer: the contract id follows from the
    signer, not from the factory; deploy_function: the factory's function.
    """

    name: str
    platform_field: str = "platform"
    is_wide: bool = False
    takes_fee_address: bool = False
    is_signer_deployer: bool = False
    deploy_function: str = "tw_new_single_release_escrow"


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="B"),
        Profile(name="B-dev", takes_fee_address=True),
        Profile(
            name="A-main",
            platform_field="platform_address",
            is_wide=True,
            is_signer_deployer=True,
        ),
        Profile(
            name="A-dev",
            platform_field="platform_address",
            is_wide=True,
            is_signer_deployer=True,
            takes_fee_address=True,
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A contract call. authorizer: the address whose authorization the contract requires."""

    contract_id: str
    function: str
    args: tuple[xdr.SCVal, ...]
    authorizer: str

    def invocation(self) -> xdr.InvokeContractArgs:
        """Return the call as XDR."""
        return xdr.InvokeContractArgs(
            sc_address(self.contract_id), xdr.SCSymbol(self.function.encode()), list(self.args)
        )

    def host_function(self) -> xdr.HostFunction:
        """Return the call in the form of a transaction's operation."""
        return xdr.HostFunction(
            xdr.HostFunctionType.HOST_FUNCTION_TYPE_INVOKE_CONTRACT,
            invoke_contract=self.invocation(),
        )


class Contract:
    """Translates intents to calls of one build."""

    def __init__(self, *, profile: Profile, asset_contract: str, provider_fee_address: str) -> None:
        self.profile = profile
        self._asset_contract = asset_contract
        self._fee_address = provider_fee_address

    @singledispatchmethod
    def call(self, intent: EscrowCall) -> Call:
        """Return the call that an intent means."""
        raise TypeError(f"no call for {type(intent).__name__}")

    @call.register
    def _(self, intent: DeployEscrow) -> Call:
        args = (
            value_of(intent.signer),
            scval.to_bytes(bytes.fromhex(intent.wasm_hash)),
            scval.to_bytes(intent.salt),
            scval.to_symbol(INIT_FUNCTION),
            scval.to_vec([self._escrow(intent)]),
            scval.to_vec([]),
        )
        return Call(
            contract_id=intent.factory,
            function=self.profile.deploy_function,
            args=args,
            authorizer=intent.signer,
        )

    @call.register
    def _(self, intent: FundEscrow) -> Call:
        stored = xdr.SCVal.from_xdr_bytes(intent.expected_escrow)
        args = (value_of(intent.funder), stored, scval.to_int128(intent.amount))
        return _call(intent, args, intent.funder)

    @call.register
    def _(self, intent: ChangeMilestoneStatus) -> Call:
        evidence = scval.to_void() if intent.evidence is None else scval.to_string(intent.evidence)
        args = (
            self._index(intent.index),
            scval.to_string(intent.status),
            evidence,
            value_of(intent.service_provider),
        )
        return _call(intent, args, intent.service_provider)

    @call.register
    def _(self, intent: ApproveMilestone) -> Call:
        args = (self._index(intent.index), value_of(intent.approver))
        return _call(intent, args, intent.approver)

    @call.register
    def _(self, intent: ReleaseFunds) -> Call:
        args = (value_of(intent.release_signer), *self._fee_argument())
        return _call(intent, args, intent.release_signer)

    @call.register
    def _(self, intent: DisputeEscrow) -> Call:
        return _call(intent, (value_of(intent.signer),), intent.signer)

    @call.register
    def _(self, intent: ResolveDispute) -> Call:
        shares = {
            value_of(address): scval.to_int128(amount)
            for address, amount in intent.distributions.items()
        }
        args = (
            value_of(intent.resolver),
            *self._fee_argument(),
            scval.to_map(shares),
        )
        return _call(intent, args, intent.resolver)

    def stored(self, intent: DeployEscrow) -> bytes:
        """Return the XDR of the value that a deployment stores."""
        return self._escrow(intent).to_xdr_bytes()

    def _fee_argument(self) -> tuple[xdr.SCVal, ...]:
        return (value_of(self._fee_address),) if self.profile.takes_fee_address else ()

    def _index(self, index: int) -> xdr.SCVal:
        return scval.to_int128(index) if self.profile.is_wide else scval.to_uint32(index)

    def _escrow(self, intent: DeployEscrow) -> xdr.SCVal:
        flags = {name: scval.to_bool(False) for name in ("disputed", "released", "resolved")}
        memo = scval.to_int128(0) if self.profile.is_wide else scval.to_uint32(0)
        return scval.to_struct(
            {
                "amount": scval.to_int128(intent.amount),
                "description": scval.to_string(intent.description),
                "engagement_id": scval.to_string(intent.engagement_id),
                "flags": scval.to_struct(flags),
                "milestones": scval.to_vec([_milestone(text) for text in intent.milestones]),
                "platform_fee": scval.to_uint32(intent.platform_fee_bps),
                "receiver_memo": memo,
                "roles": self._roles(intent.roles),
                "title": scval.to_string(intent.title),
                "trustline": scval.to_struct({"address": value_of(self._asset_contract)}),
            }
        )

    def _roles(self, roles: Roles) -> xdr.SCVal:
        return scval.to_struct(
            {
                "approver": value_of(roles.approver),
                "dispute_resolver": value_of(roles.dispute_resolver),
                self.profile.platform_field: value_of(roles.platform),
                "receiver": value_of(roles.receiver),
                "release_signer": value_of(roles.release_signer),
                "service_provider": value_of(roles.service_provider),
            }
        )


class Contracts:
    """The known builds: the hash of the code → how to call the contract."""

    def __init__(self, *, options: StellarOptions, asset_contract: str) -> None:
        named = {options.wasm_hash: "B", **options.profiles}
        self._known = {
            wasm_hash: Contract(
                profile=PROFILES[name],
                asset_contract=asset_contract,
                provider_fee_address=options.provider_fee_address,
            )
            for wasm_hash, name in named.items()
        }

    def of(self, wasm_hash: str) -> Contract:
        """Return the build with this code. Raises: UnknownBuild."""
        contract = self._known.get(wasm_hash)
        if contract is None:
            raise UnknownBuild(f"no profile for contract code {wasm_hash}")
        return contract


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEscrow:
    """The parsed stored value of an escrow."""

    amount: int
    platform_fee_bps: int
    engagement_id: str
    disputed: bool
    released: bool
    resolved: bool
    roles: Roles
    title: str
    description: str
    milestones: tuple[MilestoneView, ...]


def decode_escrow(value: xdr.SCVal) -> StoredEscrow:
    """Parse a stored value of any known build. Raises: ValueError: no known build stores it."""
    try:
        fields = scval.from_struct(value)
        flags = scval.from_struct(fields["flags"])
        return StoredEscrow(
            amount=scval.from_int128(fields["amount"]),
            platform_fee_bps=scval.from_uint32(fields["platform_fee"]),
            engagement_id=_text(fields["engagement_id"]),
            disputed=scval.from_bool(flags["disputed"]),
            released=scval.from_bool(flags["released"]),
            resolved=scval.from_bool(flags["resolved"]),
            roles=_decode_roles(scval.from_struct(fields["roles"])),
            title=_text(fields["title"]),
            description=_text(fields["description"]),
            milestones=tuple(
                _decode_milestone(item) for item in scval.from_vec(fields["milestones"])
            ),
        )
    except KeyError as error:
        raise ValueError(f"the stored escrow lacks {error}") from error


@lru_cache(maxsize=256)
def as_deployed(stored: bytes) -> bytes:
    """Return a stored value as its deployment made it: changes by our own steps are undone.

    The same value is read after a deployment and before the funding.
    Raises: ValueError: it is not an escrow.
    """
    value = xdr.SCVal.from_xdr_bytes(stored)
    try:
        fields = scval.from_struct(value)
        flags = scval.from_struct(fields["flags"])
        milestones = [_as_deployed(each) for each in scval.from_vec(fields["milestones"])]
    except KeyError as error:
        raise ValueError(f"the stored escrow lacks {error}") from error
    fields["flags"] = scval.to_struct(dict.fromkeys(flags, scval.to_bool(False)))
    fields["milestones"] = scval.to_vec(milestones)
    return scval.to_struct(fields).to_xdr_bytes()


def _as_deployed(milestone: xdr.SCVal) -> xdr.SCVal:
    fields = scval.from_struct(milestone)
    if fields["status"] == scval.to_string(COMPLETED):
        fields["status"] = scval.to_string(FIRST_STATUS)
    fields["approved"] = scval.to_bool(False)
    return scval.to_struct(fields)


def _call(intent: OnContract, args: tuple[xdr.SCVal, ...], authorizer: str) -> Call:
    return Call(
        contract_id=intent.contract_id, function=intent.name, args=args, authorizer=authorizer
    )


def _milestone(description: str) -> xdr.SCVal:
    return scval.to_struct(
        {
            "approved": scval.to_bool(False),
            "description": scval.to_string(description),
            "evidence": scval.to_string(""),
            "status": scval.to_string(FIRST_STATUS),
        }
    )


def _decode_roles(fields: Mapping[str, xdr.SCVal]) -> Roles:
    platform = fields.get("platform") or fields["platform_address"]
    return Roles(
        approver=address_in(fields["approver"]),
        service_provider=address_in(fields["service_provider"]),
        platform=address_in(platform),
        release_signer=address_in(fields["release_signer"]),
        dispute_resolver=address_in(fields["dispute_resolver"]),
        receiver=address_in(fields["receiver"]),
    )


def _decode_milestone(value: xdr.SCVal) -> MilestoneView:
    fields = scval.from_struct(value)
    return MilestoneView(
        description=_text(fields["description"]),
        status=_text(fields["status"]),
        approved=scval.from_bool(fields["approved"]),
    )


def _text(value: xdr.SCVal) -> str:
    return scval.from_string(value).decode("utf-8", "replace")
