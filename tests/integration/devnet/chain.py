"""A client of the devnet for its tests: stellar_sdk over real HTTP, waiting with deadlines."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import ClientSession
from stellar_sdk import (
    Account,
    Address,
    Asset,
    ChangeTrust,
    Keypair,
    Operation,
    TransactionBuilder,
    TransactionEnvelope,
    scval,
    xdr,
)
from stellar_sdk.auth import authorize_entry
from stellar_sdk.soroban_rpc import (
    GetTransactionResponse,
    GetTransactionStatus,
    SendTransactionStatus,
)
from stellar_sdk.soroban_server_async import SorobanServerAsync

from tests.patience import PATIENCE_SECONDS

T = TypeVar("T")
UNIT = 10**7
DEADLINE_SECONDS = PATIENCE_SECONDS


async def until(ask: Callable[[], Awaitable[T | None]]) -> T:
    """Ask until there is an answer. Raises: AssertionError: not before the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        answer = await ask()
        if answer is not None:
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("nothing happened before the deadline")


@dataclass(frozen=True, slots=True)
class Done:
    """A transaction in a ledger."""

    answer: GetTransactionResponse

    @property
    def ok(self) -> bool:
        return self.answer.status == GetTransactionStatus.SUCCESS

    @property
    def result(self) -> xdr.TransactionResult:
        return xdr.TransactionResult.from_xdr(self.answer.result_xdr or "")

    @property
    def meta(self) -> xdr.TransactionMetaV4:
        meta = xdr.TransactionMeta.from_xdr(self.answer.result_meta_xdr or "").v4
        assert meta is not None
        return meta

    @property
    def value(self) -> xdr.SCVal:
        assert self.meta.soroban_meta is not None
        assert self.meta.soroban_meta.return_value is not None
        return self.meta.soroban_meta.return_value


class Chain:
    """One devnet as a client sees it."""

    def __init__(
        self, rpc: SorobanServerAsync, http: ClientSession, url: str, info: dict[str, str]
    ) -> None:
        self.rpc = rpc
        self.http = http
        self.url = url
        self.info = info
        self.passphrase = info["networkPassphrase"]
        self.usdc = Asset(info["assetCode"], info["usdcIssuer"])
        self.other = Asset(info["otherAssetCode"], info["otherAssetIssuer"])

    async def funded(self) -> Keypair:
        """Return a new account with XLM."""
        keypair = Keypair.random()
        async with self.http.get(f"{self.url}/friendbot?addr={keypair.public_key}") as answer:
            assert answer.status == 200, await answer.text()
        return keypair

    async def holder(self, usdc: str | None = None) -> Keypair:
        """Return a new account that trusts USDC, and holds some."""
        keypair = await self.funded()
        assert (await self.classic(keypair, [ChangeTrust(self.usdc)])).ok
        if usdc is not None:
            await self.faucet({"address": keypair.public_key, "amount": usdc})
        return keypair

    async def faucet(self, body: Any, *, status: int = 200) -> dict[str, Any]:
        """POST /faucet."""
        return await self.post("/faucet", body, status=status)

    async def post(self, path: str, body: Any, *, status: int = 200) -> dict[str, Any]:
        """POST JSON to one of the devnet's own routes."""
        async with self.http.post(f"{self.url}{path}", json=body) as answer:
            text = await answer.text()
            assert answer.status == status, text
            document: dict[str, Any] = await answer.json()
            return document

    async def arm(self, kind: str, **details: Any) -> None:
        """Arm a fault."""
        await self.post("/faults", {"kind": kind, **details})

    async def build(
        self,
        source: Keypair | str,
        operations: Sequence[Operation],
        *,
        timeout_seconds: int = 60,
        sequence: int | None = None,
        **options: Any,
    ) -> TransactionEnvelope:
        """Build an unsigned envelope with the next sequence number."""
        address = source if isinstance(source, str) else source.public_key
        if sequence is None:
            sequence = (await self.rpc.load_account(address)).sequence
        builder = TransactionBuilder(Account(address, sequence), self.passphrase, base_fee=100)
        for operation in operations:
            builder.append_operation(operation)
        if options.get("memo") is not None:
            builder.add_memo(options["memo"])
        return builder.add_time_bounds(0, int(time.time()) + timeout_seconds).build()

    async def classic(
        self,
        source: Keypair,
        operations: Sequence[Operation],
        *,
        signers: Sequence[Keypair] = (),
        **options: Any,
    ) -> Done:
        """Send classic operations and wait for their ledger."""
        envelope = await self.build(source, operations, **options)
        for signer in (source, *signers):
            envelope.sign(signer)
        return await self.land(envelope)

    async def land(self, envelope: Any) -> Done:
        """Send a signed envelope and wait for its ledger."""
        answer = await self.rpc.send_transaction(envelope)
        assert answer.status == SendTransactionStatus.PENDING, answer
        return await self.landed(answer.hash)

    async def landed(self, tx_hash: str) -> Done:
        """Wait until a ledger has the transaction."""

        async def ask() -> Done | None:
            answer = await self.rpc.get_transaction(tx_hash)
            return None if answer.status == GetTransactionStatus.NOT_FOUND else Done(answer)

        return await until(ask)

    async def ledgers_pass(self, count: int = 2) -> None:
        """Wait until some more ledgers have closed."""
        start = (await self.rpc.get_latest_ledger()).sequence

        async def ask() -> bool | None:
            return (await self.rpc.get_latest_ledger()).sequence >= start + count or None

        await until(ask)

    async def call(
        self, source: Keypair, contract: str, function: str, args: Sequence[xdr.SCVal]
    ) -> TransactionEnvelope:
        """Build an unsigned, unprepared contract call."""
        account = await self.rpc.load_account(source.public_key)
        return (
            TransactionBuilder(account, self.passphrase, base_fee=1_000)
            .append_invoke_contract_function_op(contract, function, args)
            .set_timeout(60)
            .build()
        )

    async def prepared(
        self,
        source: Keypair,
        contract: str,
        function: str,
        args: Sequence[xdr.SCVal],
        *,
        authorizer: Keypair | None = None,
    ) -> TransactionEnvelope:
        """Build, simulate, authorise and sign a contract call.

        authorizer: who signs the authorisation entries when it is not the source.
        """
        draft = await self.call(source, contract, function, args)
        envelope = await self.rpc.prepare_transaction(draft)
        if authorizer is not None:
            until_ledger = (await self.rpc.get_latest_ledger()).sequence + 100
            operation: Any = envelope.transaction.operations[0]
            operation.auth = [
                authorize_entry(entry, authorizer, until_ledger, self.passphrase)
                for entry in operation.auth
            ]
        envelope.sign(source)
        return envelope

    async def invoke(
        self,
        source: Keypair,
        contract: str,
        function: str,
        args: Sequence[xdr.SCVal],
        *,
        authorizer: Keypair | None = None,
    ) -> Done:
        """Call a contract and wait for the ledger."""
        envelope = await self.prepared(source, contract, function, args, authorizer=authorizer)
        return await self.land(envelope)

    async def refusal(
        self, source: Keypair, contract: str, function: str, args: Sequence[xdr.SCVal]
    ) -> str:
        """Return the first line of a failed simulation."""
        envelope = await self.call(source, contract, function, args)
        answer = await self.rpc.simulate_transaction(envelope)
        assert answer.error is not None
        return answer.error.split("\n")[0]

    async def usdc_of(self, address: str) -> int:
        """Return an account's or a contract's minor units of USDC."""
        if address.startswith("C"):
            entry = await self.rpc.get_sac_balance(address, self.usdc, self.passphrase)
            return 0 if entry.balance_entry is None else entry.balance_entry.amount
        found = (await self.rpc.get_ledger_entries([self.line_key(address)])).entries
        assert found
        line = xdr.LedgerEntryData.from_xdr(found[0].xdr).trust_line
        assert line is not None
        return line.balance.int64

    def line_key(self, address: str) -> xdr.LedgerKey:
        """Return the key of an account's USDC trustline."""
        account = Keypair.from_public_key(address).xdr_account_id()
        line = xdr.LedgerKeyTrustLine(account, self.usdc.to_trust_line_asset_xdr_object())
        return xdr.LedgerKey(xdr.LedgerEntryType.TRUSTLINE, trust_line=line)

    async def account(self, address: str) -> xdr.AccountEntry:
        """Return an account's entry."""
        key = xdr.LedgerKeyAccount(Keypair.from_public_key(address).xdr_account_id())
        ledger_key = xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=key)
        found = (await self.rpc.get_ledger_entries([ledger_key])).entries
        assert found
        entry = xdr.LedgerEntryData.from_xdr(found[0].xdr).account
        assert entry is not None
        return entry


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Chain]:
    """Open a client of a running devnet."""
    async with ClientSession() as http, SorobanServerAsync(f"{url}/rpc") as rpc:
        async with http.get(f"{url}/network-info") as answer:
            info: dict[str, str] = await answer.json()
        yield Chain(rpc, http, url, info)


def address_value(who: Keypair | str) -> xdr.SCVal:
    """Return an address as a contract value."""
    return scval.to_address(who if isinstance(who, str) else who.public_key)


def address_of(value: xdr.SCVal) -> str:
    """Read an address value."""
    assert value.address is not None
    return Address.from_xdr_sc_address(value.address).address
