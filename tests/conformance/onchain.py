"""What a chain transaction was, asked of the node alone: which contract function, by whom."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from stellar_sdk import InvokeHostFunction, TransactionEnvelope
from stellar_sdk.client.aiohttp_client import AiohttpClient
from stellar_sdk.soroban_server_async import SorobanServerAsync


class Node:
    """A node of the network, over RPC."""

    def __init__(self, server: SorobanServerAsync, *, passphrase: str) -> None:
        self._server = server
        self._passphrase = passphrase

    @classmethod
    @asynccontextmanager
    async def of(cls, document: Mapping[str, Any]) -> AsyncIterator["Node"]:
        """Connect for the block to the network that a stack.json names."""
        server = SorobanServerAsync(document["rpcUrl"], AiohttpClient())
        try:
            yield cls(server, passphrase=document["networkPassphrase"])
        finally:
            await server.close()

    async def call(self, transaction_hash: str) -> tuple[str, str]:
        """Return the function that a transaction called, and the account that called it.

        The function is empty where the transaction called no contract.
        """
        answer = await self._server.get_transaction(transaction_hash)
        assert answer.status.value == "SUCCESS", answer.status
        assert answer.envelope_xdr is not None
        envelope = TransactionEnvelope.from_xdr(answer.envelope_xdr, self._passphrase)
        (operation,) = envelope.transaction.operations
        source = operation.source or envelope.transaction.source
        if not isinstance(operation, InvokeHostFunction):
            return "", source.account_id
        invoked = operation.host_function.invoke_contract
        assert invoked is not None
        return invoked.function_name.sc_symbol.decode(), source.account_id
