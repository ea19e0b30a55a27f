"""The direct builder: envelopes from intents, with what Stellar RPC says they need."""

from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import SimulateTransactionResponse

from services.escrow.evidence import Unsigned
from services.escrow.intents import Intent
from services.escrow.ports import ChainRefused, ChainUnavailable, ContractArchived
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.envelope import skeleton, wrap
from services.escrow.stellar.outcomes import simulation_error
from services.escrow.stellar.rpc import Rpc


class DirectBuilder:
    """Builds every kind of intent over RPC alone."""

    def __init__(self, *, rpc: Rpc, blueprints: Blueprints) -> None:
        self._rpc = rpc
        self._blueprints = blueprints

    async def build(self, intent: Intent, *, source: str, sequence: int, max_time: int) -> Unsigned:
        """Make the envelope of an intent.

        Raises: ChainUnavailable; ChainRefused: the contract would refuse the call;
            ContractArchived.
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
    if answer.error is not None:
        found = simulation_error(answer)
        raise ChainRefused(
            answer.error.partition("\n")[0],
            contract_error=found,
            at_ledger=answer.latest_ledger,
        )
    if answer.restore_preamble is not None:
        # Since protocol 23 a call restores what it needs, and no node asks for this any more.
        raise ContractArchived("the contract is archived and has to be restored first")
    if answer.transaction_data is None:
        raise ChainUnavailable("the node simulated nothing")
    data = xdr.SorobanTransactionData.from_xdr(answer.transaction_data)
    transaction.fee = xdr.Uint32(transaction.fee.uint32 + data.resource_fee.int64)
    transaction.ext = xdr.TransactionExt(1, soroban_data=data)
