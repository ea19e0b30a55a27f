"""Balances as the chain reports them, read through its RPC."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from stellar_sdk import Asset, Keypair, xdr
from stellar_sdk.client.aiohttp_client import AiohttpClient
from stellar_sdk.soroban_server_async import SorobanServerAsync


class Chain:
    """Balances of one asset, in minor units (stroops)."""

    def __init__(self, server: SorobanServerAsync, *, asset: Asset, passphrase: str) -> None:
        self._server = server
        self._asset = asset
        self._passphrase = passphrase

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Mapping[str, Any]) -> AsyncIterator["Chain"]:
        """Connect to the network that stack.json names."""
        server = SorobanServerAsync(stack["rpcUrl"], AiohttpClient())
        try:
            asset = Asset("USDC", stack["usdcIssuer"])
            yield cls(server, asset=asset, passphrase=stack["networkPassphrase"])
        finally:
            await server.close()

    async def contract_balance(self, contract_id: str) -> int:
        """Return the balance of a contract; 0 if it has none."""
        answer = await self._server.get_sac_balance(contract_id, self._asset, self._passphrase)
        return 0 if answer.balance_entry is None else int(answer.balance_entry.amount)

    async def account_balance(self, address: str) -> int:
        """Return the balance of an account's trustline; 0 if there is none."""
        key = xdr.LedgerKey(
            xdr.LedgerEntryType.TRUSTLINE,
            trust_line=xdr.LedgerKeyTrustLine(
                account_id=Keypair.from_public_key(address).xdr_account_id(),
                asset=self._asset.to_trust_line_asset_xdr_object(),
            ),
        )
        for entry in (await self._server.get_ledger_entries([key])).entries or ():
            data = xdr.LedgerEntryData.from_xdr(entry.xdr)
            if data.trust_line is not None:
                return data.trust_line.balance.int64
        return 0
