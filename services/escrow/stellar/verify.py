"""The verifier: refuses every envelope that differs from the intent's meaning in any byte.

Every envelope passes the verifier before it is signed, also one of our own builder. A builder may
choose only the fee and the resources, within limits.
"""

from dataclasses import dataclass
from typing import NoReturn, TypedDict

from stellar_sdk import xdr

from services.escrow.contracts.intents import Intent
from services.escrow.ports import EnvelopeRefused, FeesTooHigh, StellarOptions
from services.escrow.stellar.addresses import (
    account_name,
    code_key,
    holding_name,
    instance_name,
    is_contract,
    spelled,
)
from services.escrow.stellar.blueprint import Blueprint, Blueprints
from services.escrow.stellar.envelope import (
    FEE_AT,
    KIND,
    UNSIGNED,
    WITH_RESOURCES,
    WITHOUT_RESOURCES,
    bumped_fee,
    decoded,
    head,
    parse,
    resources,
    skeleton,
)

NOTHING_MORE = WITHOUT_RESOURCES + UNSIGNED
FEE_PER_OPERATION_MIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A verified transaction, not yet signed: its bytes, and who signs them.

    bumped_fee: stroops that another account must offer to pay for it.
    """

    transaction: bytes
    sequence: int
    max_time: int
    fee: int
    bumped_fee: int
    signers: frozenset[str]


class Frame(TypedDict):
    """The parts of a transaction that do not follow from its intent. fee: chosen by its builder."""

    source: str
    sequence: int
    max_time: int
    fee: int


class Verifier:
    """Compares envelopes with blueprints."""

    def __init__(self, *, options: StellarOptions, blueprints: Blueprints) -> None:
        self._options = options
        self._blueprints = blueprints

    def verify(
        self,
        envelope_xdr: str,
        intent: Intent,
        *,
        source: str,
        sequence: int,
        max_time: int,
        is_bumped: bool = False,
    ) -> Verified:
        """Return the verified transaction. is_bumped: another account pays for it.

        Raises: EnvelopeRefused: the message names the first difference; FeesTooHigh: only the fees
            differ from what was meant.
        """
        raw, blueprint = decoded(envelope_xdr), self._blueprints.of(intent)
        fee = int.from_bytes(raw[len(KIND) + FEE_AT :][:4], "big")
        frame = Frame(source=source, sequence=sequence, max_time=max_time, fee=fee)
        meant = KIND + head(**frame, memo=blueprint.memo, operations=blueprint.packed)
        rest = raw[len(meant) :]
        data = _data_in(rest) if blueprint.is_contract_call else None
        is_complete = data is not None if blueprint.is_contract_call else rest == NOTHING_MORE
        if not (raw.startswith(meant) and is_complete):
            self._tell_difference(parse(envelope_xdr), blueprint, frame)
        if blueprint.is_contract_call:
            self._check_resources(data, blueprint)
        operations = len(blueprint.operations)
        self._check_least_fee(fee, data, operations=operations)
        bump = bumped_fee(fee, resources=_resource_fee(data), operations=operations)
        self._check_most_fee(fee, data, blueprint, paid=bump if is_bumped else fee)
        return Verified(
            transaction=raw[len(KIND) : -len(UNSIGNED)],
            sequence=sequence,
            max_time=max_time,
            fee=fee,
            bumped_fee=bump,
            signers=blueprint.signers,
        )

    def _tell_difference(
        self, envelope: xdr.TransactionV1Envelope, blueprint: Blueprint, frame: Frame
    ) -> NoReturn:
        """Refuse an envelope whose bytes differ from the meant ones; the message says where."""
        given, data = envelope.tx, envelope.tx.ext.soroban_data
        _require(not envelope.signatures, "somebody signed it already")
        if blueprint.is_contract_call:
            self._check_resources(data, blueprint)
        frame["fee"] = given.fee.uint32
        self._check_least_fee(frame["fee"], data, operations=len(blueprint.operations))
        meant = skeleton(
            **frame,
            memo=blueprint.memo,
            operations=list(blueprint.operations),
            soroban_data=data if blueprint.is_contract_call else None,
        )
        for field in ("source_account", "seq_num", "cond", "memo"):
            same = getattr(given, field).to_xdr_bytes() == getattr(meant, field).to_xdr_bytes()
            _require(same, f"{field} differs")
        _require(len(given.operations) == len(meant.operations), "the number of operations differs")
        pairs = zip(meant.operations, given.operations, strict=True)
        for number, (mine, theirs) in enumerate(pairs):
            same = mine.to_xdr_bytes() == theirs.to_xdr_bytes()
            _require(same, f"operation {number} ({theirs.body.type.name}) differs")
        raise EnvelopeRefused("it differs")

    def _check_least_fee(
        self, fee: int, data: xdr.SorobanTransactionData | None, *, operations: int
    ) -> None:
        resources = _resource_fee(data)
        _require(resources >= 0, "the resource fee is negative")
        bid = fee - resources
        _require(bid >= FEE_PER_OPERATION_MIN * operations, "the fee is below the least")

    def _check_most_fee(
        self, fee: int, data: xdr.SorobanTransactionData | None, blueprint: Blueprint, *, paid: int
    ) -> None:
        """Check the fee. paid: stroops, the whole fee; with a fee bump, the fee of the bump.

        Raises: FeesTooHigh: fees rise and fall, so this is not fraud.
        """
        if paid > self._options.max_fee:
            raise FeesTooHigh(f"the fee of {paid} stroops is above its limit")
        bid = fee - _resource_fee(data)
        most = self._options.classic_fee_max
        if blueprint.is_contract_call:
            most = self._options.inclusion_fee_max
        if bid > most * len(blueprint.operations):
            raise FeesTooHigh(f"the bid of {bid} stroops for inclusion is above its limit")

    def _check_resources(
        self, data: xdr.SorobanTransactionData | None, blueprint: Blueprint
    ) -> None:
        if data is None:
            raise EnvelopeRefused("it declares no resources")
        footprint = data.resources.footprint
        if blueprint.extended:
            named = tuple(key.to_xdr_bytes() for key in footprint.read_only)
            _require(not footprint.read_write, "it would write an entry")
            _require(sorted(named) == sorted(blueprint.extended), "it would extend a foreign entry")
            return
        writable, readable = self._footprint(blueprint)
        restored = _restored(data)
        _require(
            all(place < len(footprint.read_write) for place in restored),
            "it restores entries outside its footprint",
        )
        for place, key in enumerate(footprint.read_write):
            if _contract_of(key) == blueprint.owned != "" or key.to_xdr_bytes() in writable:
                continue
            # A call that reads an archived entry restores it, and must declare it as written. No
            # contract of ours can write it. Source: CAP-66.
            is_restored = place in restored and key.to_xdr_bytes() in self._restorable(blueprint)
            _require(is_restored, "it would write a foreign entry")
        for key in footprint.read_only:
            is_code = key.type == xdr.LedgerEntryType.CONTRACT_CODE
            is_consulted = _contract_of(key) in blueprint.consulted - {self._asset_contract}
            allowed = is_code or is_consulted or key.to_xdr_bytes() in writable | readable
            _require(allowed, "it would read a foreign entry")

    def _restorable(self, blueprint: Blueprint) -> set[bytes]:
        """Return the entries that a call may restore: its code, and the contracts that it calls."""
        names = {instance_name(contract) for contract in blueprint.consulted}
        return names | {code_key(blueprint.code).to_xdr_bytes()} if blueprint.code else names

    @property
    def _asset_contract(self) -> str:
        return self._blueprints.asset_contract

    def _footprint(self, blueprint: Blueprint) -> tuple[set[bytes], set[bytes]]:
        """Return the keys that may be written, besides the contract's own, and those only read."""
        asset, contract = self._blueprints.asset, self._asset_contract
        writable = {
            holding_name(holder, asset=asset, asset_contract=contract)
            for holder in blueprint.holders
        }
        accounts = {h for h in blueprint.holders if not is_contract(h)}
        accounts |= {*blueprint.signers, self._options.asset_issuer}
        readable = {account_name(address) for address in accounts}
        readable.add(instance_name(contract))
        return writable, readable


def _restored(data: xdr.SorobanTransactionData) -> set[int]:
    extension = data.ext.resource_ext
    if extension is None:
        return set()
    return {place.uint32 for place in extension.archived_soroban_entries}


def _resource_fee(data: xdr.SorobanTransactionData | None) -> int:
    return data.resource_fee.int64 if data is not None else 0


def _data_in(rest: bytes) -> xdr.SorobanTransactionData | None:
    """Parse the resources at the end of an unsigned envelope; None: it ends with something else."""
    if not (rest.startswith(WITH_RESOURCES) and rest.endswith(UNSIGNED)):
        return None
    try:
        return resources(rest[len(WITH_RESOURCES) : -len(UNSIGNED)])
    except ValueError:
        return None


def _contract_of(key: xdr.LedgerKey) -> str | None:
    return None if key.contract_data is None else _spelled(key.contract_data.contract)


def _spelled(address: xdr.SCAddress) -> str:
    try:
        return spelled(address)
    except ValueError as error:
        raise EnvelopeRefused("an address of an unknown kind") from error


def _require(condition: bool, refusal: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise EnvelopeRefused(refusal)
