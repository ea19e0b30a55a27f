"""The batcher: transfers of concurrent callers share a transaction; each caller gets an answer.

While a batch commits, the next one gathers. A single caller therefore does not wait, and a hundred
callers share a commit. If the database refuses a batch, each request is tried alone, so that a bad
request fails only for its own caller.
"""

import asyncio
import datetime as dt
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chassis.database import Database, Transaction
from chassis.gathering import LINGER_SECONDS, Gathering, OneOfThemError
from chassis.idempotency import IdempotencyKeyReused, RequestKey
from chassis.outbox import Event
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
        linger_seconds: float = LINGER_SECONDS,
        waiting_max: int = 20_000,
    ) -> None:
        """Take the parts. waiting_max: the most transfers that may wait; more are refused."""
        self._database = database
        self._store = store
        self._clock = clock
        self._waiting_max = waiting_max
        self._gathering: Gathering[Posting, Posted] = Gathering(
            self._attempt,
            name="ledger.post",
            size=lambda posting: len(posting.transfers),
            size_max=transfers_max,
            lanes=lanes,
            linger_seconds=linger_seconds,
        )

    async def post(self, posting: Posting) -> Posted:
        """Carry out transfers together with those of other callers.

        Raises: IdempotencyKeyReused; TooManyTransfers: nothing was begun; Unavailable: the outcome
            may be unknown, and a retry with the same ids is safe.
        """
        waiting = self._gathering.waiting_size
        if waiting and waiting + len(posting.transfers) > self._waiting_max:
            raise TooManyTransfers("Too many transfers are waiting")
        return await self._gathering.do(posting)

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
        await self._gathering.close()

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
                    raise OneOfThemError(error) from error
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
