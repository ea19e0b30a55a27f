"""The verifier: refuses every envelope that is not, to the byte, what the intent means.

Nothing is signed that has not passed here, whoever built it. What a builder may choose at all is
the fee and the resources, and those within limits.
"""

from dataclasses import dataclass

from stellar_sdk import Address, xdr

from services.escrow.contracts.intents import Intent
from services.escrow.ports import EnvelopeRefused, FeesTooHigh, StellarOptions
from services.escrow.stellar.addresses import (
    account_key,
    code_key,
    holding_key,
    instance_key,
    is_contract,
)
from services.escrow.stellar.blueprint import Blueprint, Blueprints
from services.escrow.stellar.envelope import parse, skeleton

FEE_PER_OPERATION_MIN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A transaction that is what was meant, not yet signed."""

    transaction: xdr.Transaction
    blueprint: Blueprint


class Verifier:
    """Holds envelopes against blueprints."""

    def __init__(self, *, options: StellarOptions, blueprints: Blueprints) -> None:
        self._options = options
        self._blueprints = blueprints

    def verify(
        self, envelope_xdr: str, intent: Intent, *, source: str, sequence: int, max_time: int
    ) -> Verified:
        """Return the transaction.

        Raises: EnvelopeRefused: the text names the first difference; FeesTooHigh: only they are
            not as meant.
        """
        envelope = parse(envelope_xdr)
        given, blueprint = envelope.tx, self._blueprints.of(intent)
        _require(not envelope.signatures, "somebody signed it already")
        if blueprint.is_contract_call:
            self._check_resources(given, blueprint)
        self._check_least_fee(given, operations=len(blueprint.operations))
        meant = skeleton(
            source=source,
            sequence=sequence,
            max_time=max_time,
            fee=given.fee.uint32,
            operations=list(blueprint.operations),
            soroban_data=given.ext.soroban_data if blueprint.is_contract_call else None,
        )
        _compare(given, meant)
        self._check_most_fee(given, operations=len(blueprint.operations))
        return Verified(transaction=meant, blueprint=blueprint)

    def _check_least_fee(self, given: xdr.Transaction, *, operations: int) -> None:
        resources = _resource_fee(given)
        _require(resources >= 0, "the resource fee is negative")
        bid = given.fee.uint32 - resources
        _require(bid >= FEE_PER_OPERATION_MIN * operations, "the fee is below the least")

    def _check_most_fee(self, given: xdr.Transaction, *, operations: int) -> None:
        """Check what it costs. Raises: FeesTooHigh: fees rise and fall, so this is no fraud."""
        if given.fee.uint32 > self._options.max_fee:
            raise FeesTooHigh(f"the fee of {given.fee.uint32} stroops is above its limit")
        bid = given.fee.uint32 - _resource_fee(given)
        if bid > self._options.inclusion_fee_max * operations:
            raise FeesTooHigh(f"the bid of {bid} stroops for inclusion is above its limit")

    def _check_resources(self, given: xdr.Transaction, blueprint: Blueprint) -> None:
        data = given.ext.soroban_data
        if data is None:
            raise EnvelopeRefused("it declares no resources")
        footprint = data.resources.footprint
        writable, readable = self._footprint(blueprint)
        restored = _restored(data)
        _require(
            all(place < len(footprint.read_write) for place in restored),
            "it restores entries outside its footprint",
        )
        for place, key in enumerate(footprint.read_write):
            is_own = _contract_of(key) == blueprint.owned != ""
            is_meant = is_own or key.to_xdr_bytes() in writable
            # What is archived is restored by the call that reads it, and so declared as written:
            # no contract of ours is able to write it. Source: CAP-66.
            is_restored = place in restored and key.to_xdr_bytes() in self._restorable(blueprint)
            _require(is_meant or is_restored, "it would write a foreign entry")
        for key in footprint.read_only:
            is_code = key.type == xdr.LedgerEntryType.CONTRACT_CODE
            is_consulted = _contract_of(key) in blueprint.consulted - {self._asset_contract}
            allowed = is_code or is_consulted or key.to_xdr_bytes() in writable | readable
            _require(allowed, "it would read a foreign entry")

    def _restorable(self, blueprint: Blueprint) -> set[bytes]:
        """Return the entries that a call may restore: its code, and contracts that it calls."""
        keys = [instance_key(contract) for contract in blueprint.consulted]
        if blueprint.code:
            keys.append(code_key(blueprint.code))
        return {key.to_xdr_bytes() for key in keys}

    @property
    def _asset_contract(self) -> str:
        return self._blueprints.asset_contract

    def _footprint(self, blueprint: Blueprint) -> tuple[set[bytes], set[bytes]]:
        """Return the keys that may be written, besides the contract's own, and those only read."""
        asset, contract = self._blueprints.asset, self._asset_contract
        moved = [holding_key(h, asset=asset, asset_contract=contract) for h in blueprint.holders]
        writable = {key.to_xdr_bytes() for key in moved}
        accounts = {h for h in blueprint.holders if not is_contract(h)}
        accounts |= {*blueprint.signers, self._options.asset_issuer}
        readable = {account_key(address).to_xdr_bytes() for address in accounts}
        readable.add(instance_key(contract).to_xdr_bytes())
        return writable, readable


def _restored(data: xdr.SorobanTransactionData) -> set[int]:
    extension = data.ext.resource_ext
    if extension is None:
        return set()
    return {place.uint32 for place in extension.archived_soroban_entries}


def _resource_fee(given: xdr.Transaction) -> int:
    data = given.ext.soroban_data
    return data.resource_fee.int64 if data is not None else 0


def _compare(given: xdr.Transaction, meant: xdr.Transaction) -> None:
    """Refuse any difference; the fields are compared first to name the one that differs."""
    for field in ("source_account", "seq_num", "cond", "memo"):
        same = getattr(given, field).to_xdr_bytes() == getattr(meant, field).to_xdr_bytes()
        _require(same, f"{field} differs")
    _require(len(given.operations) == len(meant.operations), "the number of operations differs")
    for number, (mine, theirs) in enumerate(zip(meant.operations, given.operations, strict=True)):
        same = mine.to_xdr_bytes() == theirs.to_xdr_bytes()
        _require(same, f"operation {number} ({theirs.body.type.name}) differs")
    _require(given.to_xdr_bytes() == meant.to_xdr_bytes(), "it differs")


def _contract_of(key: xdr.LedgerKey) -> str | None:
    return None if key.contract_data is None else _spelled(key.contract_data.contract)


def _spelled(address: xdr.SCAddress) -> str:
    try:
        return Address.from_xdr_sc_address(address).address
    except ValueError as error:
        raise EnvelopeRefused("an address of an unknown kind") from error


def _require(condition: bool, refusal: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        raise EnvelopeRefused(refusal)
