"""Stellar RPC over HTTP: deadlines, repeated reads, and errors in our words. Knows no business.

Whatever keeps an answer from us (a refused connection, a proxy's 503, a timeout) is
`ChainUnavailable`: the outcome is unknown. Only reads are repeated here; what was sent is asked
for by its hash.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import pydantic
from stellar_sdk import xdr
from stellar_sdk.exceptions import SdkError, SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import (
    EventFilter,
    EventFilterType,
    GetEventsResponse,
    GetTransactionResponse,
    GetTransactionsResponse,
    SendTransactionResponse,
    SimulateTransactionResponse,
)
from stellar_sdk.soroban_server_async import SorobanServerAsync
from stellar_sdk.transaction_envelope import TransactionEnvelope

from services.escrow.evidence import Ledger
from services.escrow.ports import ChainRefused, ChainUnavailable, StellarOptions
from services.escrow.stellar.http import Http

KEYS_PER_READ_MAX = 200
FIRST_BACKOFF_SECONDS = 0.1
FEE_STATS_SECONDS = 10
# JSON-RPC 2.0: invalid request, unknown method, invalid params. Asking again changes nothing.
DEFINITIVE_CODES = frozenset({-32600, -32601, -32602})

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """Ledger entries by the XDR bytes of their key. read_at: the ledger that has them so.

    live_until: the last ledger before the network archives an entry; 0: it never does.
    """

    read_at: int
    data: Mapping[bytes, xdr.LedgerEntryData]
    live_until: Mapping[bytes, int]

    def get(self, key: xdr.LedgerKey) -> xdr.LedgerEntryData | None:
        """Return the entry under a key."""
        return self.data.get(key.to_xdr_bytes())


class Rpc:
    """One node. Every method raises ChainUnavailable, and ChainRefused for a malformed request."""

    def __init__(self, *, options: StellarOptions, http: Http) -> None:
        self._passphrase = options.network_passphrase
        self._attempts = options.read_attempts
        self._timeout = options.timeout_seconds
        self._inclusion_fee_max = options.inclusion_fee_max
        self._server = SorobanServerAsync(options.rpc_url, http)
        self._inclusion_fee: tuple[float, int] | None = None

    async def latest_ledger(self) -> Ledger:
        """Return the newest ledger."""
        answer = await self._read(self._server.get_latest_ledger)
        return Ledger(sequence=answer.sequence, close_time=answer.close_time)

    async def inclusion_fee(self) -> int:
        """Return a bid in stroops that 90 % of recent contract calls did not exceed, capped."""
        now = asyncio.get_running_loop().time()
        if self._inclusion_fee is None or self._inclusion_fee[0] < now:
            stats = await self._read(self._server.get_fee_stats)
            bid = min(max(stats.soroban_inclusion_fee.p90, 100), self._inclusion_fee_max)
            self._inclusion_fee = (now + FEE_STATS_SECONDS, bid)
        return self._inclusion_fee[1]

    async def entries(self, keys: Sequence[xdr.LedgerKey]) -> Entries:
        """Return ledger entries; missing and archived ones are absent."""
        parts = [
            list(keys[start : start + KEYS_PER_READ_MAX])
            for start in range(0, len(keys), KEYS_PER_READ_MAX)
        ]
        answers = [
            await self._read(partial(self._server.get_ledger_entries, part)) for part in parts
        ]
        found = [entry for answer in answers for entry in answer.entries or []]
        return Entries(
            read_at=min(answer.latest_ledger for answer in answers),
            data={_canonical(e.key): xdr.LedgerEntryData.from_xdr(e.xdr) for e in found},
            live_until={_canonical(e.key): e.live_until_ledger or 0 for e in found},
        )

    async def simulate(self, envelope_xdr: str) -> SimulateTransactionResponse:
        """Return what a contract call would do and needs."""
        envelope = TransactionEnvelope.from_xdr(envelope_xdr, self._passphrase)
        return await self._read(lambda: self._server.simulate_transaction(envelope))

    async def send(self, envelope_xdr: str) -> SendTransactionResponse:
        """Send an envelope, once."""
        return await self._once(lambda: self._server.send_transaction(envelope_xdr))

    async def transaction(self, transaction_hash: str) -> GetTransactionResponse:
        """Return what the node keeps of a transaction."""
        return await self._read(lambda: self._server.get_transaction(transaction_hash))

    async def transactions(
        self, *, start_ledger: int | None, cursor: str | None, limit: int
    ) -> GetTransactionsResponse:
        """Return everybody's transactions from a ledger on, or after a cursor."""
        return await self._read(
            lambda: self._server.get_transactions(
                start_ledger=start_ledger, cursor=cursor, limit=limit
            )
        )

    async def events(
        self,
        *,
        contract_id: str,
        topics: Sequence[Sequence[str]],
        start_ledger: int | None,
        cursor: str | None,
        limit: int,
    ) -> GetEventsResponse:
        """Return events of a contract from a ledger on, or after a cursor."""
        wanted = EventFilter(
            type=EventFilterType.CONTRACT, contractIds=[contract_id], topics=topics
        )
        return await self._read(
            lambda: self._server.get_events(
                start_ledger=start_ledger, filters=[wanted], cursor=cursor, limit=limit
            )
        )

    async def oldest_ledger(self) -> int:
        """Return the oldest ledger the node keeps."""
        return (await self._read(self._server.get_health)).oldest_ledger

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        backoff = FIRST_BACKOFF_SECONDS
        for _ in range(self._attempts - 1):
            try:
                return await self._once(call)
            except ChainUnavailable:
                # Jitter keeps replicas from asking a recovering node in step.
                await asyncio.sleep(backoff * (0.5 + random.random()))  # noqa: S311 - no secret
                backoff *= 2
        return await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await call()
        except SorobanRpcErrorResponse as error:
            if error.code in DEFINITIVE_CODES:
                raise ChainRefused(f"the node refused the request: {error.message}") from error
            raise ChainUnavailable(f"the node failed: {error.message}") from error
        except (TimeoutError, OSError) as error:
            raise ChainUnavailable("the node did not answer in time") from error
        except (SdkError, pydantic.ValidationError, AssertionError, ValueError) as error:
            # Answers of proxies: no JSON, or JSON that is no answer of a node.
            raise ChainUnavailable(f"the node gave no answer: {type(error).__name__}") from error


def _canonical(key: str) -> bytes:
    return xdr.LedgerKey.from_xdr(key).to_xdr_bytes()
