"""Stellar RPC over HTTP: deadlines, repeated reads, and our own errors. Knows no business.

Whatever prevents an answer (a refused connection, a proxy's 503, a timeout) is `ChainUnavailable`:
the outcome is unknown. Only reads are repeated here. The outcome of a sent envelope is asked for by
its hash.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import pydantic
from stellar_sdk import xdr
from stellar_sdk.exceptions import SdkError, SorobanRpcErrorResponse
from stellar_sdk.soroban_rpc import (
    GetFeeStatsResponse,
    GetHealthResponse,
    GetLatestLedgerResponse,
    GetNetworkResponse,
    GetTransactionResponse,
    Response,
    SendTransactionResponse,
    SimulateTransactionResponse,
)
from stellar_sdk.soroban_rpc import GetLedgerEntriesResponse as EntriesResponse

from chassis.telemetry import logger
from services.escrow.contracts.evidence import Ledger
from services.escrow.ports import ChainRefused, ChainUnavailable, StellarOptions, WrongNetwork
from services.escrow.stellar.entries import Entries, entry_of
from services.escrow.stellar.envelope import is_named
from services.escrow.stellar.http import Http
from services.escrow.stellar.nodes import Health, Node, Nodes
from services.escrow.stellar.pages import (
    Events,
    EventsAnswer,
    Landed,
    LandedPage,
    LedgersAnswer,
    Transactions,
)

KEYS_PER_READ_MAX = 200
FIRST_BACKOFF_SECONDS = 0.1
FEE_STATS_SECONDS = 10
NETWORK_SECONDS = 60
# In stroops, of an operation. Source: Stellar's base fee.
LEAST_BID = 100
DOUBLINGS_MAX = 32
# A call that is cancelled after this share of its time limit counts as unanswered by the node.
SILENT_SHARE = 0.9
# The error of nodes that do not have a ledger or cursor. Source: stellar-rpc, getEvents.
OUT_OF_RANGE = "startLedger must be within the ledger range"
RECENT_SECONDS = 1.0
# JSON-RPC 2.0: invalid request, unknown method, invalid params. A repetition changes nothing.
DEFINITIVE_CODES = frozenset({-32600, -32601, -32602})
# The SDK's generic model of an answer, held here because Pydantic drops a model that nobody holds,
# and making it again costs more than the call.
Answer = Response[Any]
log = logger()

T = TypeVar("T")
ShapeT = TypeVar("ShapeT", bound=pydantic.BaseModel)


class OutOfRange(ChainUnavailable):
    """The node does not have the ledger that was asked for: it is ahead, or behind, or lags."""


class Rpc:
    """The nodes of a network. Every method raises ChainUnavailable; ChainRefused: malformed."""

    def __init__(self, *, options: StellarOptions, http: Http) -> None:
        self._passphrase = options.network_passphrase
        self._attempts = options.read_attempts
        self._timeout = options.timeout_seconds
        self._inclusion_fee_max = options.inclusion_fee_max
        self._classic_fee_max = options.classic_fee_max
        self._http = http
        self._nodes = Nodes(
            (options.rpc_url, *options.spare_rpc_urls),
            passphrase=options.network_passphrase,
            look=self._health,
            headers=options.rpc_headers,
        )
        self._fee_stats: tuple[float, GetFeeStatsResponse] | None = None
        self._network_until = 0.0
        self._newest: tuple[float, Ledger | None] = (0.0, None)

    async def require_network(self) -> None:
        """Check from time to time that the node belongs to our network. Raises: WrongNetwork."""
        now = asyncio.get_running_loop().time()
        if now < self._network_until:
            return
        network = await self.network()
        found = network.passphrase
        if found != self._passphrase:
            raise WrongNetwork(f"the node is of the network {found[:60]!r}")
        self._nodes.check_protocol(network.protocol_version)
        self._network_until = now + NETWORK_SECONDS

    async def _health(self, node: Node) -> Health:
        """Ask one node for its network and health. Raises: ChainUnavailable; ChainRefused."""
        ask = partial(self._ask, node)
        network = await self._once(partial(ask, "getNetwork", None, GetNetworkResponse))
        health = await self._once(partial(ask, "getHealth", None, GetHealthResponse))
        return Health(
            passphrase=network.passphrase,
            protocol=network.protocol_version,
            oldest=health.oldest_ledger,
            latest=health.latest_ledger,
        )

    async def network(self) -> GetNetworkResponse:
        """Return the node's network."""
        return await self._read(partial(self._call, "getNetwork", None, GetNetworkResponse))

    async def health(self, *, ledger: int | None = None) -> GetHealthResponse:
        """Return which ledgers a node has; preferably a node that keeps the given ledger."""
        call = partial(self._call, "getHealth", None, GetHealthResponse, ledger=ledger)
        return await self._read(call)

    async def latest_ledger(self) -> Ledger:
        """Return the newest ledger."""
        answer = await self._read(
            partial(self._call, "getLatestLedger", None, GetLatestLedgerResponse)
        )
        return self._seen(answer.sequence, answer.close_time)

    async def recent_ledger(self) -> Ledger:
        """Return the newest ledger that an answer of the last second showed, or else ask for it."""
        seen_at, ledger = self._newest
        is_recent = asyncio.get_running_loop().time() - seen_at < RECENT_SECONDS
        return ledger if ledger is not None and is_recent else await self.latest_ledger()

    def _seen(self, sequence: int, close_time: int) -> Ledger:
        """Remember a ledger that a node reports, if it is the newest one of all answers."""
        ledger, known = Ledger(sequence=sequence, close_time=close_time), self._newest[1]
        if known is None or sequence >= known.sequence:
            self._newest = (asyncio.get_running_loop().time(), ledger)
        return ledger

    async def inclusion_fee(self, *, is_contract_call: bool = True, tries: int = 0) -> int:
        """Return a bid in stroops that 90 % of recent operations in its lane did not exceed.

        Contract calls and classic operations compete in separate lanes. tries: how often a bid was
        too low; each time doubles the bid, up to the lane's limit.
        """
        now = asyncio.get_running_loop().time()
        if self._fee_stats is None or self._fee_stats[0] < now:
            stats = await self._read(partial(self._call, "getFeeStats", None, GetFeeStatsResponse))
            self._fee_stats = (now + FEE_STATS_SECONDS, stats)
        stats = self._fee_stats[1]
        lane, most = stats.inclusion_fee, self._classic_fee_max
        if is_contract_call:
            lane, most = stats.soroban_inclusion_fee, self._inclusion_fee_max
        return min(max(lane.p90, LEAST_BID) << min(tries, DOUBLINGS_MAX), most)

    async def entries(self, keys: Sequence[xdr.LedgerKey]) -> Entries:
        """Return ledger entries; missing ones are absent.

        An archived entry is either absent too or in its last state, because nothing changes it.
        """
        names = [key.to_xdr() for key in keys]
        answers = [
            await self._read(partial(self._call, "getLedgerEntries", params, EntriesResponse))
            for start in range(0, len(names), KEYS_PER_READ_MAX)
            for params in [{"keys": names[start : start + KEYS_PER_READ_MAX]}]
        ]
        found = [entry_of(entry) for answer in answers for entry in answer.entries or []]
        data = {key: value for key, value, _ in found}
        if len(data) < len(found):
            raise ChainUnavailable("the node shows an entry twice")
        return Entries(
            read_at=min(answer.latest_ledger for answer in answers),
            data=data,
            live_until={key: until for key, _, until in found if until is not None},
        )

    async def simulate(self, envelope_xdr: str) -> SimulateTransactionResponse:
        """Return what a contract call would do and which resources it needs."""
        params = {"transaction": envelope_xdr}
        return await self._read(
            partial(self._call, "simulateTransaction", params, SimulateTransactionResponse)
        )

    async def send(self, envelope_xdr: str) -> SendTransactionResponse:
        """Send an envelope, once."""
        params = {"transaction": envelope_xdr}
        answer = await self._once(
            partial(self._call, "sendTransaction", params, SendTransactionResponse)
        )
        self._seen(answer.latest_ledger, answer.latest_ledger_close_time)
        return answer

    async def transaction(self, transaction_hash: str) -> GetTransactionResponse:
        """Return what the node keeps of a transaction. Raises: ChainUnavailable: of another one."""
        params = {"hash": transaction_hash}
        answer = await self._read(
            partial(self._call, "getTransaction", params, GetTransactionResponse)
        )
        self._seen(answer.latest_ledger, answer.latest_ledger_close_time)
        if answer.transaction_hash != transaction_hash:
            raise ChainUnavailable("the node answers for another transaction")
        if answer.envelope_xdr and not self._is_named(answer.envelope_xdr, transaction_hash):
            raise ChainUnavailable("the node shows another transaction under this hash")
        return answer

    async def transactions(
        self, *, start_ledger: int | None, cursor: str | None, limit: int
    ) -> Transactions:
        """Return the transactions of all accounts from a ledger on, or after a cursor."""
        params: dict[str, Any] = {"pagination": {"limit": limit}}
        if cursor is not None:
            params["pagination"]["cursor"] = cursor
        else:
            params["startLedger"] = start_ledger
        call = partial(self._call, "getTransactions", params, LandedPage, ledger=start_ledger)
        answer = await self._read(call)
        return Transactions(
            landed=[one for one in map(self._landed, answer.transactions) if one is not None],
            count=len(answer.transactions),
            cursor=answer.cursor,
            latest_ledger=answer.latest_ledger,
        )

    async def events(
        self,
        *,
        contract_id: str,
        topics: Sequence[Sequence[str]],
        start_ledger: int | None,
        cursor: str | None,
        limit: int,
        ledger: int | None = None,
        of_all: Sequence[Sequence[Sequence[str]]] = (),
    ) -> Events:
        """Return events of a contract from a ledger on, or after a cursor, which is in `ledger`.

        of_all: topics of further events to return, of all contracts, five in each filter.
        """
        wanted = [
            {"type": "contract", "contractIds": [contract_id], "topics": topics},
            *({"type": "contract", "topics": each} for each in of_all),
        ]
        params: dict[str, Any] = {"filters": wanted, "pagination": {"limit": limit}}
        if cursor is not None:
            params["pagination"]["cursor"] = cursor
        else:
            params["startLedger"] = start_ledger
        call = partial(self._call, "getEvents", params, EventsAnswer, ledger=ledger)
        answer = await self._read(call)
        return Events(
            events=answer.events,
            cursor=answer.cursor,
            latest_ledger=answer.latest_ledger,
            oldest_ledger=answer.oldest_ledger,
        )

    async def ledgers(self, *, start_ledger: int, limit: int) -> LedgersAnswer | None:
        """Return the contents of ledgers; None: no node has the first of them.

        A node may have ledgers that are older than its events. Every node is asked, in order.
        """
        params = {"startLedger": start_ledger, "pagination": {"limit": limit}}
        trouble: ChainUnavailable | None = None
        for node in self._nodes.of_network():
            call = partial(self._ask, node, "getLedgers", params, LedgersAnswer)
            try:
                return await self._once(call)
            except ChainRefused:
                continue
            except ChainUnavailable as error:
                trouble = error
        if trouble is not None:
            raise trouble
        return None

    async def oldest_ledger(self) -> int:
        """Return the oldest ledger that the node keeps."""
        return (await self.window())[0]

    async def window(self, *, ledger: int | None = None) -> tuple[int, int]:
        """Return a node's oldest and newest ledger; preferably of a node that keeps `ledger`."""
        health = await self.health(ledger=ledger)
        return health.oldest_ledger, health.latest_ledger

    def _landed(self, given: object) -> Landed | None:
        """Parse one of the listed transactions; None: the node contradicts itself about it."""
        try:
            landed = Landed.model_validate(given)
        except pydantic.ValidationError:
            landed = None
        if landed is None or not self._is_named(landed.envelope_xdr, landed.hash):
            log.warning("chain.transaction_left_out", why="it is not what its hash says")
            return None
        return landed

    def _is_named(self, envelope_xdr: str, transaction_hash: str) -> bool:
        """Tell whether a hash identifies an envelope."""
        return is_named(envelope_xdr, transaction_hash, passphrase=self._passphrase)

    async def _call(
        self,
        method: str,
        params: Mapping[str, Any] | None,
        shape: type[ShapeT],
        *,
        ledger: int | None = None,
    ) -> ShapeT:
        """Ask the first node that is well. ledger: preferably a node that keeps it."""
        node, loop = await self._nodes.choose(ledger=ledger), asyncio.get_running_loop()
        silent_at = loop.time() + self._timeout * SILENT_SHARE
        try:
            return await self._ask(node, method, params, shape)
        except SorobanRpcErrorResponse as error:
            if error.code not in DEFINITIVE_CODES:
                self._nodes.failed(node)
            raise
        except asyncio.CancelledError:
            # Either its time is over, or the caller no longer wants the answer, which proves
            # nothing.
            if loop.time() >= silent_at:
                self._nodes.failed(node)
            raise
        except Exception:
            self._nodes.failed(node)
            raise

    async def _ask(
        self, node: Node, method: str, params: Mapping[str, Any] | None, shape: type[ShapeT]
    ) -> ShapeT:
        """Ask a node.

        Done without the SDK, which would write each request and parse each answer twice.
        """
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": method, "method": method}
        if params is not None:
            request["params"] = params
        headers = self._nodes.headers_of(node) or None
        document = (await self._http.post(node.url, json_data=request, headers=headers)).json()
        answer = Answer.model_validate(document)
        if answer.error is not None:
            error = answer.error
            raise SorobanRpcErrorResponse(error.code, error.message, error.data)
        return shape.model_validate(answer.result)

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        backoff = FIRST_BACKOFF_SECONDS
        for _ in range(self._attempts - 1):
            try:
                return await self._once(call)
            except OutOfRange:
                raise
            except ChainUnavailable:
                # Jitter keeps replicas from asking a recovering node at the same moments.
                await asyncio.sleep(backoff * (0.5 + random.random()))  # noqa: S311 - no secret
                backoff *= 2
        return await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await call()
        except SorobanRpcErrorResponse as error:
            if OUT_OF_RANGE in (error.message or ""):
                raise OutOfRange(f"the node refused the request: {error.message}") from error
            if error.code in DEFINITIVE_CODES:
                raise ChainRefused(f"the node refused the request: {error.message}") from error
            raise ChainUnavailable(f"the node failed: {error.message}") from error
        except (TimeoutError, OSError) as error:
            raise ChainUnavailable("the node did not answer in time") from error
        except (SdkError, pydantic.ValidationError, AssertionError, ValueError) as error:
            # Answers of proxies: not JSON, or JSON that is not an answer of a node.
            raise ChainUnavailable(f"the node gave no answer: {type(error).__name__}") from error
