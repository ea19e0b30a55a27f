"""The batcher: transfers of concurrent callers share a transaction; each caller gets an answer.

While a batch commits, the next one gathers. A single caller therefore does not wait, and a hundred
callers share a commit. If the database refuses a batch, each request is tried alone, so that a bad
request fails only for its own caller.
"""

import asyncio
import contextvars
import datetime as dt
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from chassis.database import Database, Transaction
from chassis.idempotency import IdempotencyKeyReused, RequestKey
from chassis.outbox import Event
from chassis.telemetry import logger
from kernel.clock import Clock
from kernel.errors import DomainError, Unavailable
from kernel.ids import MarketplaceId, UserId
from services.ledger.book import USER, Account, Balance, Entry, NewTransfer, Result
from services.ledger.domain import aggregate_id, balance, decide, event_of
from services.ledger.measures import BATCH_TRANSFERS
from services.ledger.saving import TOGETHER, Kept, Saving
from services.ledger.store import Batch, LedgerStore, answer_key
from services.ledger.trouble import Trouble, trouble_of

ATTEMPTS = 6
# The most concurrent transactions when a batch is split. Readers need connections, too.
SPLIT_MAX = 4
# A batch that takes longer is assumed to wait for a lock.
STUCK_SECONDS = 0.05
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """The request of one caller. key: if given, the answer is stored as the bytes of `encode`.

    correlation_id: the request id, for the events.
    """

    marketplace_id: MarketplaceId
    transfers: Sequence[NewTransfer]
    correlation_id: str = ""
    key: RequestKey | None = None
    encode: Callable[[Sequence[Result]], bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The answer to a posting: one result for each transfer, and the bytes stored under its key.

    A replayed answer has only the bytes.
    """

    results: Sequence[Result] = ()
    body: bytes = b""
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The answers that a posting would get, and the balances before and after it."""

    results: Sequence[Result]
    before: Sequence[Balance]
    after: Sequence[Balance]


@dataclass(frozen=True, slots=True)
class _Caller:
    posting: Posting
    answer: asyncio.Future[Posted] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class _OneOfThemError(Exception):
    """The transfers of one unknown caller fail, or wait for a lock. cause: the error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(repr(cause))
        self.cause = cause


class TooManyTransfers(Unavailable):
    """The limit of transfers that wait for a commit is reached; nothing was begun."""

    # A retry would only add to the queue.
    is_final = True


class Batcher:
    """Gathers postings and carries them out. Each lane runs one transaction at a time."""

    def __init__(
        self,
        *,
        database: Database,
        store: LedgerStore,
        clock: Clock,
        lanes: int = 2,
        transfers_max: int = 1000,
        linger_seconds: float = 0.002,
        waiting_max: int = 20_000,
    ) -> None:
        """Take the parts. waiting_max: the most transfers that may wait; more are refused."""
        self._database = database
        self._store = store
        self._clock = clock
        self._lanes_max = lanes
        self._transfers_max = transfers_max
        self._linger_seconds = linger_seconds
        self._waiting_max = waiting_max
        self._waiting: deque[_Caller] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._serving = 0
        self._transfers_waiting = 0
        # When a lane last began a batch, by the loop's clock.
        self._began = 0.0
        # The number of callers of recent batches.
        self._usual = 0

    async def post(self, posting: Posting) -> Posted:
        """Carry out transfers together with those of other callers.

        Raises: IdempotencyKeyReused; TooManyTransfers: nothing was begun; Unavailable: the outcome
            may be unknown, and a retry with the same ids is safe.
        """
        if self._transfers_waiting + len(posting.transfers) > self._waiting_max and self._waiting:
            raise TooManyTransfers("Too many transfers are waiting")
        caller = _Caller(posting)
        self._waiting.append(caller)
        self._transfers_waiting += len(posting.transfers)
        if self._needs_lane():
            self._serving += 1
            # The lane gets an empty context, because it serves many callers.
            lane = asyncio.create_task(self._serve(), context=contextvars.Context())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await caller.answer

    async def apply(
        self, tx: Transaction, postings: Sequence[Posting]
    ) -> list[Posted | DomainError]:
        """Load, decide and save postings in the caller's transaction; return an answer for each.

        Raises: StaleBookError; database errors. Roll the transaction back; see trouble.py.
        """
        at = self._clock.now()
        asked: dict[MarketplaceId, list[NewTransfer]] = {}
        for posting in postings:
            asked.setdefault(posting.marketplace_id, []).extend(posting.transfers)
        keys = [posting.key for posting in postings if posting.key is not None]
        batch = await self._store.load(tx, asked=asked, keys=keys, at=at)
        async with self._store.saving(tx, batch, at=at) as saving:
            return [_answer(batch, posting, saving, at=at) for posting in postings]

    async def check(
        self, tx: Transaction, posting: Posting, *, asset: str, user_ids: Sequence[UserId]
    ) -> Checked:
        """Load and decide a posting without saving it.

        user_ids: the users whose balances are returned; their accounts count as open.
        """
        marketplace_id, names = posting.marketplace_id, [f"{USER}{one}" for one in user_ids]
        batch = await self._store.load(
            tx,
            asked={marketplace_id: posting.transfers},
            looked_at=[(marketplace_id, asset, name) for name in names],
        )
        book = batch.books[marketplace_id]
        for name in names:
            book.accounts.setdefault((asset, name), Account(asset=asset, name=name))
        before = [balance(book, asset, name) for name in names]
        results = decide(book, asked=posting.transfers, at=self._clock.now())
        after = [balance(book, asset, name) for name in names]
        return Checked(results=results, before=before, after=after)

    async def post_one(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        transfer: NewTransfer,
        correlation_id: str = "",
    ) -> Result:
        """Carry out one transfer in the caller's transaction. Raises: as `apply`."""
        posting = Posting(
            marketplace_id=marketplace_id, transfers=(transfer,), correlation_id=correlation_id
        )
        [answer] = await self.apply(tx, [posting])
        if isinstance(answer, DomainError):
            raise answer
        [result] = answer.results
        return result

    async def close(self) -> None:
        """Wait for the running batches."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _serve(self) -> None:
        try:
            while self._waiting:
                if len(self._waiting) < self._usual:
                    # Callers that were just answered often call again; a short wait saves commits.
                    await asyncio.sleep(self._linger_seconds)
                callers = self._take()
                self._began = asyncio.get_running_loop().time()
                self._usual = max(len(callers), self._usual // 2)
                if callers:
                    await self._settle(callers)
        finally:
            # Counted here, because a caller that arrives before the task is reaped needs a lane.
            self._serving -= 1

    def _needs_lane(self) -> bool:
        """Tell whether another lane is needed beside the running ones.

        One lane is enough while it keeps up: callers that arrive meanwhile share the next commit.
        Another lane is started for many waiting transfers, and while a lane waits for a lock.
        """
        if self._serving == 0:
            return True
        is_long = self._transfers_waiting >= self._transfers_max // 4
        is_stuck = asyncio.get_running_loop().time() - self._began > STUCK_SECONDS
        return self._serving < self._lanes_max and (is_long or is_stuck)

    def _take(self) -> list[_Caller]:
        callers: list[_Caller] = []
        room = self._transfers_max
        while self._waiting and (not callers or len(self._waiting[0].posting.transfers) <= room):
            callers.append(self._waiting.popleft())
            room -= len(callers[-1].posting.transfers)
        self._transfers_waiting -= self._transfers_max - room
        return callers

    async def _settle(self, callers: Sequence[_Caller]) -> None:
        """Carry out the postings of these callers, and answer every caller."""
        answers: Sequence[Posted | Exception]
        try:
            answers = await self._attempt([caller.posting for caller in callers])
        except DomainError as error:
            answers = [error] * len(callers)
        except _OneOfThemError as error:
            if len(callers) > 1:
                log.warning("ledger.batch_split", callers=len(callers), error=str(error))
                await self._settle_apart(callers)
                return
            answers = [error.cause]
        for caller, answer in zip(callers, answers, strict=True):
            if caller.answer.done():
                continue
            if isinstance(answer, Posted):
                caller.answer.set_result(answer)
            else:
                caller.answer.set_exception(answer)

    async def _settle_apart(self, callers: Sequence[_Caller]) -> None:
        """Answer each caller in its own transaction: one has a fault, or waits for a lock."""
        room = asyncio.Semaphore(SPLIT_MAX)

        async def settle(caller: _Caller) -> None:
            async with room:
                await self._settle([caller])

        await asyncio.gather(*map(settle, callers))

    async def _attempt(self, postings: Sequence[Posting]) -> list[Posted | DomainError]:
        """Carry out postings; retry the transaction while a failed attempt has had no effect."""
        for attempt in range(1, ATTEMPTS + 1):
            is_committing = False
            try:
                async with self._database.transaction() as tx:
                    answers = await self.apply(tx, postings)
                    is_committing = True
            except Exception as error:
                trouble = trouble_of(error)
                if is_committing and trouble is Trouble.AWAY:
                    raise Unavailable(
                        "The ledger's database is unavailable; the outcome is unknown"
                    ) from None
                if trouble in {Trouble.FAULT, Trouble.BUSY}:
                    raise _OneOfThemError(error) from error
                if attempt == ATTEMPTS:
                    raise Unavailable("The ledger is busy or its database unavailable") from error
            else:
                BATCH_TRANSFERS.observe(sum(len(posting.transfers) for posting in postings))
                return answers
            await pause(attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")


async def pause(attempt: int) -> None:
    """Wait before a transaction is retried: a random time that grows with each attempt."""
    await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter


def _answer(
    batch: Batch, posting: Posting, saving: Saving, *, at: dt.datetime
) -> Posted | DomainError:
    if posting.key is None or posting.encode is None:
        return Posted(results=_decide(batch, posting, saving, at=at))
    name = answer_key(posting.key)
    if (kept := batch.answers.get(name)) is not None:
        if kept.fingerprint != posting.key.fingerprint:
            return IdempotencyKeyReused("This request id was used for another request")
        return Posted(body=kept.body, replayed=True)
    results = _decide(batch, posting, saving, at=at)
    body = posting.encode(results)
    batch.answers[name] = Kept(fingerprint=posting.key.fingerprint, body=body, is_new=True)
    return Posted(results=results, body=body)


def _decide(batch: Batch, posting: Posting, saving: Saving, *, at: dt.datetime) -> list[Result]:
    """Decide transfers, and pass them on to be written in groups of about TOGETHER."""
    book, asked = batch.books[posting.marketplace_id], posting.transfers
    results: list[Result] = []
    while len(results) < len(asked):
        start = len(results)
        end = min(start + TOGETHER, len(asked))
        # A linked group is decided as a whole.
        while end < len(asked) and asked[end - 1].linked:
            end += 1
        results += decide(book, asked=asked[start:end], at=at)
        saving.add(book, event=partial(_event, posting))
    return results


def _event(posting: Posting, entry: Entry) -> Event:
    transfer = entry.transfer
    event_type, payload = event_of(entry)
    return Event(
        event_type=event_type,
        aggregate_type="Balance",
        aggregate_id=aggregate_id(public_id=entry.public_id, asset=transfer.asset),
        version=entry.version or 0,
        marketplace_id=posting.marketplace_id,
        occurred_at=transfer.at,
        payload=payload,
        correlation_id=posting.correlation_id,
        causation_id=str(transfer.id),
        user_id=entry.public_id,
    )
