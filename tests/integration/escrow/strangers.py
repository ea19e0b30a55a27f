"""Third-party accounts on the devnet, with keys of their own, that the system does not know."""

import asyncio
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stellar_sdk import (
    Asset,
    FeeBumpTransactionEnvelope,
    Keypair,
    MuxedAccount,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.operation import ChangeTrust, CreateAccount, Operation, Payment
from stellar_sdk.soroban_rpc import GetTransactionStatus
from stellar_sdk.soroban_server import SorobanServer

from tests.integration.escrow.world import post
from tests.patience import PATIENCE_SECONDS

SECONDS = 30
# Stroops that a fee bump offers above what is inside: for one operation more.
FEE = 100_000
# How often the devnet is asked to pay, and its answer where no ledger took the payment.
TRIES, UNAVAILABLE = 5, 503


class Stranger:
    """An account with lumens and the asset. info: what the devnet's /network-info says."""

    def __init__(self, info: Mapping[str, Any], *, secret: str = "") -> None:
        self._info = info
        self._key = Keypair.from_secret(secret) if secret else Keypair.random()
        self.address = self._key.public_key
        self.secret = self._key.secret
        self.asset = Asset("USDC", self._info["usdcIssuer"])

    async def come(self, *, amount: str) -> None:
        """Get lumens, a trustline, and some of the asset."""
        url = f"{self._info['friendbotUrl']}?{urllib.parse.urlencode({'addr': self.address})}"
        await asyncio.to_thread(_taken, lambda: _get(url))
        await self.send(ChangeTrust(self.asset))
        given = {"address": self.address, "amount": amount}
        await asyncio.to_thread(_taken, lambda: post(self._info["faucetUrl"], given))

    def payment(self, to: str, amount: str, *, asset: Asset | None = None) -> Payment:
        """Return a payment, of the asset unless another is named."""
        return Payment(to, asset or self.asset, amount)

    def lumens(self, to: str, amount: str) -> Payment:
        """Return a payment of lumens."""
        return self.payment(to, amount, asset=Asset.native())

    async def make_account(self, address: str, *, lumens: str) -> None:
        """Make an account for somebody else's key."""
        await self.send(CreateAccount(address, lumens))

    async def send(self, *operations: Operation, memo: str = "") -> str:
        """Send one transaction and see it land; returns its hash."""
        return await asyncio.to_thread(self._send, operations, memo)

    async def call(self, contract_id: str, function: str, args: Sequence[xdr.SCVal]) -> str:
        """Call a contract's function; returns the hash."""

        def land() -> str:
            with SorobanServer(self._info["rpcUrl"]) as rpc:
                call = self._builder(rpc).append_invoke_contract_function_op(
                    contract_id=contract_id, function_name=function, parameters=list(args)
                )
                return self._land(rpc, rpc.prepare_transaction(call.set_timeout(SECONDS).build()))

        return await asyncio.to_thread(land)

    async def give_contract(self, contract_id: str, *, minor_units: int) -> str:
        """Send a contract some of the asset that nobody asked for; returns the hash."""
        return await asyncio.to_thread(self._give_contract, contract_id, minor_units)

    def paying(self, envelope_xdr: str) -> str:
        """Return somebody's signed envelope in a fee bump, which lets this account pay for it."""
        passphrase = self._info["networkPassphrase"]
        inner = inside(envelope_xdr, passphrase)
        fee = inner.transaction.fee + FEE
        bump = TransactionBuilder.build_fee_bump_transaction(self._key, fee, inner, passphrase)
        bump.sign(self._key)
        return bump.to_xdr()

    def _give_contract(self, contract_id: str, minor_units: int) -> str:
        with SorobanServer(self._info["rpcUrl"]) as rpc:
            call = self._builder(rpc).append_invoke_contract_function_op(
                contract_id=self._info["assetContractId"],
                function_name="transfer",
                parameters=[
                    scval.to_address(self.address),
                    scval.to_address(contract_id),
                    scval.to_int128(minor_units),
                ],
            )
            return self._land(rpc, rpc.prepare_transaction(call.set_timeout(SECONDS).build()))

    def _send(self, operations: tuple[Operation, ...], memo: str) -> str:
        with SorobanServer(self._info["rpcUrl"]) as rpc:
            builder = self._builder(rpc)
            for operation in operations:
                builder.append_operation(operation)
            if memo:
                builder.add_text_memo(memo)
            return self._land(rpc, builder.set_timeout(SECONDS).build())

    def _builder(self, rpc: SorobanServer) -> TransactionBuilder:
        account = rpc.load_account(self.address)
        return TransactionBuilder(account, self._info["networkPassphrase"], base_fee=100)

    def _land(self, rpc: SorobanServer, envelope: TransactionEnvelope) -> str:
        envelope.sign(self._key)
        sent = rpc.send_transaction(envelope)
        found = rpc.poll_transaction(sent.hash, SECONDS, lambda _: 1)
        assert found.status is GetTransactionStatus.SUCCESS, found
        return sent.hash


def inside(envelope_xdr: str, passphrase: str) -> TransactionEnvelope:
    """Return an envelope, of a fee bump the one inside."""
    if not FeeBumpTransactionEnvelope.is_fee_bump_transaction_envelope(envelope_xdr):
        return TransactionEnvelope.from_xdr(envelope_xdr, passphrase)
    bump = FeeBumpTransactionEnvelope.from_xdr(envelope_xdr, passphrase)
    return bump.transaction.inner_transaction_envelope


def muxed(address: str, number: int) -> str:
    """Return the M… address of a number at an account."""
    return MuxedAccount(address, number).account_muxed or ""


def _taken(pay: Callable[[], Any]) -> Any:
    """Let the devnet pay; again where no ledger took the payment, as on a busy machine."""
    for _ in range(TRIES - 1):
        try:
            return pay()
        except urllib.error.HTTPError as error:
            if error.code != UNAVAILABLE:
                raise
    return pay()


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - the devnet's own address
        return json.load(answer)
