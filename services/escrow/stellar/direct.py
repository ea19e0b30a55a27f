"""The direct builder: makes envelopes from intents, with the resources that Stellar RPC reports."""

from base64 import b64decode
from functools import partial
from struct import Struct

from stellar_sdk.soroban_rpc import SimulateTransactionResponse

from services.escrow.contracts.evidence import Unsigned
from services.escrow.contracts.intents import ApproveMilestone, Intent
from services.escrow.ports import ChainRefused, ChainUnavailable, ContractArchived, FeesTooHigh
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.envelope import (
    WITH_RESOURCES,
    enclose,
    head,
    resources,
)
from services.escrow.stellar.outcomes import UNREADABLE, simulation_error
from services.escrow.stellar.rpc import Rpc

# A transaction's fee is a number of 32 bits.
FEE_MAX = 2**32 - 1
# The end of the resources: instructions, bytes read, bytes written, the fee.
NUMBERS = Struct(">IIIq")
ROOM_BYTES = 64
ROOM_STROOPS = 5_000


class DirectBuilder:
    """Builds every kind of intent over RPC alone."""

    def __init__(self, *, rpc: Rpc, blueprints: Blueprints) -> None:
        self._rpc = rpc
        self._blueprints = blueprints

    async def build(
        self, intent: Intent, *, source: str, sequence: int, max_time: int, tries: int = 0
    ) -> Unsigned:
        """Make the envelope of an intent.

        Raises: ChainUnavailable; ChainRefused: the contract would refuse the call;
            ContractArchived; FeesTooHigh.
        """
        blueprint = self._blueprints.of(intent)
        bid = await self._rpc.inclusion_fee(
            is_contract_call=blueprint.is_contract_call, tries=tries
        ) * len(blueprint.operations)
        written = partial(
            head,
            source=source,
            sequence=sequence,
            max_time=max_time,
            memo=blueprint.memo,
            operations=blueprint.packed,
        )
        bare = enclose(written(fee=bid) + blueprint.draft)
        if not blueprint.is_contract_call:
            return Unsigned(envelope_xdr=bare)
        needed, fee = _needed(await self._rpc.simulate(bare))
        if isinstance(intent, ApproveMilestone):
            needed, fee = _with_room(needed, fee)
        if bid + fee > FEE_MAX:
            raise FeesTooHigh(f"the resources cost {fee} stroops")
        complete = written(fee=bid + fee) + WITH_RESOURCES + needed
        return Unsigned(envelope_xdr=enclose(complete))

    async def announce(self, *, transaction_hash: str) -> None:
        """Do nothing: there is no provider to tell."""

    async def close(self) -> None:
        """Do nothing: the connections belong to the chain."""


def _with_room(needed: bytes, fee: int) -> tuple[bytes, int]:
    """Let a call read and write a little more than was simulated.

    The milestone's other mark may land before the call in the same ledger, and its text is longer
    than the text before. The unused part of the fee is refunded.
    """
    *used, _ = NUMBERS.unpack(needed[-NUMBERS.size :])
    instructions, read, written = used
    fee += ROOM_STROOPS
    numbers = NUMBERS.pack(instructions, read + ROOM_BYTES, written + ROOM_BYTES, fee)
    return needed[: -NUMBERS.size] + numbers, fee


def _needed(answer: SimulateTransactionResponse) -> tuple[bytes, int]:
    """Return the resources that the simulation requires, and their fee in stroops.

    The call was simulated with its authorisations. A call that needs others is refused here.
    """
    try:
        found = simulation_error(answer) if answer.error is not None else None
        given = b"" if answer.transaction_data is None else b64decode(answer.transaction_data)
        fee = resources(given).resource_fee.int64 if given else -1
    except UNREADABLE as error:
        raise ChainUnavailable("the node's simulation cannot be read") from error
    if answer.error is not None:
        raise ChainRefused(
            answer.error.partition("\n")[0],
            contract_error=found,
            at_ledger=answer.latest_ledger,
        )
    if answer.restore_preamble is not None:
        # Since protocol 23 a call restores what it needs, and no node asks for a restoration any
        # more.
        raise ContractArchived("the contract is archived and has to be restored first")
    if fee < 0:
        raise ChainUnavailable("the node's simulation has no result")
    return given, fee
