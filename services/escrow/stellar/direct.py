"""The direct builder: envelopes from intents, with what Stellar RPC says they need."""

from stellar_sdk import xdr
from stellar_sdk.soroban_rpc import SimulateTransactionResponse

from services.escrow.evidence import Unsigned
from services.escrow.intents import Intent
from services.escrow.ports import ChainRefused, ChainUnavailable
from services.escrow.stellar.blueprint import Blueprint, Blueprints
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

        Raises: ChainUnavailable; ChainRefused: the contract would refuse the call.
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
            answer = await self._rpc.simulate(wrap(transaction))
            transaction = _completed(transaction, blueprint, answer)
        return Unsigned(envelope_xdr=wrap(transaction))

    async def announce(self, *, transaction_hash: str) -> None:
        """Do nothing: there is no provider to tell."""

    async def close(self) -> None:
        """Do nothing: the connections are the chain's."""


def _completed(
    transaction: xdr.Transaction, blueprint: Blueprint, answer: SimulateTransactionResponse
) -> xdr.Transaction:
    """Return the transaction with the resources and authorisations its simulation asked for."""
    if answer.error is not None:
        found = simulation_error(answer)
        raise ChainRefused(answer.error.partition("\n")[0], contract_error=found)
    if answer.restore_preamble is not None:
        raise ChainRefused("the contract is archived and has to be restored first")
    if answer.transaction_data is None or not answer.results:
        raise ChainUnavailable("the node simulated nothing")
    data = xdr.SorobanTransactionData.from_xdr(answer.transaction_data)
    call = blueprint.operations[0].body.invoke_host_function_op
    if call is None:
        raise TypeError("only contract calls are simulated")
    auth = [xdr.SorobanAuthorizationEntry.from_xdr(entry) for entry in answer.results[0].auth or []]
    body = xdr.OperationBody(
        xdr.OperationType.INVOKE_HOST_FUNCTION,
        invoke_host_function_op=xdr.InvokeHostFunctionOp(call.host_function, auth),
    )
    return xdr.Transaction(
        source_account=transaction.source_account,
        fee=xdr.Uint32(transaction.fee.uint32 + data.resource_fee.int64),
        seq_num=transaction.seq_num,
        cond=transaction.cond,
        memo=transaction.memo,
        operations=[xdr.Operation(None, body)],
        ext=xdr.TransactionExt(1, soroban_data=data),
    )
