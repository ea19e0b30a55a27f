"""The direct builder: envelopes from intents, with what Stellar RPC says they need."""

from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import SimulateTransactionResponse

from services.escrow.contracts.evidence import Unsigned
from services.escrow.contracts.intents import Intent
from services.escrow.ports import ChainRefused, ChainUnavailable, ContractArchived, FeesTooHigh
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.envelope import skeleton, wrap
from services.escrow.stellar.outcomes import UNREADABLE, simulation_error
from services.escrow.stellar.rpc import Rpc

# A transaction's fee is a number of 32 bits.
FEE_MAX = 2**32 - 1


class DirectBuilder:
    """Builds every kind of intent over RPC alone."""

    def __init__(self, *, rpc: Rpc, blueprints: Blueprints) -> None:
        self._rpc = rpc
        self._blueprints = blueprints

    async def build(self, intent: Intent, *, source: str, sequence: int, max_time: int) -> Unsigned:
        """Make the envelope of an intent.

        Raises: ChainUnavailable; ChainRefused: the contract would refuse the call;
            ContractArchived; FeesTooHigh.
        """
        blueprint = self._blueprints.of(intent)
        transaction = skeleton(
            source=source,
            sequence=sequence,
            max_time=max_time,
            fee=await self._rpc.inclusion_fee() * len(blueprint.operations),
            operations=list(blueprint.operations),
            soroban_data=None,
        )
        if blueprint.is_contract_call:
            _complete(transaction, await self._rpc.simulate(wrap(transaction)))
        return Unsigned(envelope_xdr=wrap(transaction))

    async def announce(self, *, transaction_hash: str) -> None:
        """Do nothing: there is no provider to tell."""

    async def close(self) -> None:
        """Do nothing: the connections are the chain's."""


def _complete(transaction: xdr.Transaction, answer: SimulateTransactionResponse) -> None:
    """Add the resources that the simulation asked for, and their fee.

    The authorisations were simulated as they are: a call that needs others is refused here.
    """
    try:
        found = simulation_error(answer) if answer.error is not None else None
        given = answer.transaction_data
        data = None if given is None else xdr.SorobanTransactionData.from_xdr(given)
    except UNREADABLE as error:
        raise ChainUnavailable("the node's simulation cannot be read") from error
    if answer.error is not None:
        raise ChainRefused(
            answer.error.partition("\n")[0],
            contract_error=found,
            at_ledger=answer.latest_ledger,
        )
    if answer.restore_preamble is not None:
        # Since protocol 23 a call restores what it needs, and no node asks for this any more.
        raise ContractArchived("the contract is archived and has to be restored first")
    if data is None or data.resource_fee.int64 < 0:
        raise ChainUnavailable("the node simulated nothing")
    fee = transaction.fee.uint32 + data.resource_fee.int64
    if fee > FEE_MAX:
        raise FeesTooHigh(f"the resources cost {data.resource_fee.int64} stroops")
    transaction.fee = xdr.Uint32(fee)
    transaction.ext = xdr.TransactionExt(1, soroban_data=data)
