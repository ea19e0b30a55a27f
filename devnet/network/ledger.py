"""The running ledger: a queue with one transaction per account, closed at a steady pace.

A closed ledger is on disk before anybody sees it. The queue is lost when the process dies, as on
the public network: the hash is then unknown, and the same envelope may be sent again.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog
from stellar_sdk import xdr

from devnet.chain import rules, validity
from devnet.chain.entries import read_account
from devnet.chain.envelope import Envelope
from devnet.chain.keys import Key
from devnet.chain.results import Code, outer_result
from devnet.chain.state import Entries, View
from devnet.chain.validity import bidders
from devnet.network import genesis
from devnet.network.apply import apply_transaction
from devnet.network.headers import hash_of, ledger_header
from devnet.network.identity import Identity
from devnet.network.journal import Journal
from devnet.network.lanes import Statistics, chosen, offered, pays_in_other_lane
from devnet.network.outcome import Outcome
from devnet.network.recording import event_records, transaction_record
from devnet.network.records import ClosedLedger, Header, TransactionRecord
from devnet.soroban.invoke import Environment

REPLACE_FEE_FACTOR = 10
PENDING_LEDGERS, BANNED_LEDGERS = 4, 10
CLASSIC_WINDOW, CONTRACT_WINDOW = 10, 50
"""How many ledgers the fee statistics of each lane look at: stellar-rpc's defaults."""
LANE_SIZE = 1_000
FORGET_EVERY_LEDGERS = 1_000

log = structlog.get_logger()


@dataclass(slots=True)
class Queued:
    """A transaction that waits for a ledger.

    since: the ledger after which it arrived. held: keep it until its time bound has passed. doomed:
    let it fail when it is applied.
    """

    envelope: Envelope
    included: asyncio.Future[TransactionRecord | None]
    since: int
    held: bool = False
    doomed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The answer to a submission; result is set if the status is ERROR."""

    status: str
    result: xdr.TransactionResult | None = None
    queued: Queued | None = None


@dataclass(slots=True)
class _Closing:
    """A ledger that is being closed."""

    view: View
    close_time: int
    outcomes: list[tuple[Queued, Outcome]] = field(default_factory=list)
    dropped: list[Queued] = field(default_factory=list)


class Follower(Protocol):
    """Receives every closed ledger."""

    def follow(self, closed: ClosedLedger) -> None:
        """Process a closed ledger."""
        ...

    def restart(self) -> None:
        """Forget everything, because the network was reset."""
        ...


class Ledger:
    """The network's state and its queue."""

    def __init__(
        self,
        *,
        identity: Identity,
        environment: Environment,
        journal: Journal,
        ledger_seconds: float,
        lane_size: int = LANE_SIZE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.entries = Entries()
        self.retention = rules.RETENTION_LEDGERS
        self.environment = environment
        self.journal = journal
        self._ledger_seconds = ledger_seconds
        self._clock = clock
        self._lane_size = lane_size
        self.paid = {False: Statistics(CLASSIC_WINDOW), True: Statistics(CONTRACT_WINDOW)}
        self._banned: dict[bytes, int] = {}
        self._queue: dict[bytes, Queued] = {}
        self._by_source: dict[str, Queued] = {}
        self._skipped = 0
        self._ending: list[Key] = []
        self._identity = identity
        self._is_reset = False
        self.followers: list[Follower] = []
        self.newest, self.oldest = self._open(identity.network_id.hex())

    def submit(self, envelope: Envelope) -> Submission:
        """Queue a transaction, or return why it is not queued.

        DUPLICATE: it is in the queue. TRY_AGAIN_LATER: another transaction of its account is
        queued, it left the queue in the last ledgers (included or not), or its account pays for a
        transaction in the other lane. ERROR: it is invalid now. PENDING: everything else. Source:
        stellar-core, TransactionQueue.cpp, `canAdd`; HerderImpl.cpp, `recvTransaction`.
        """
        if self._banned.get(envelope.hash, 0) > self.newest.sequence:
            return Submission(status="TRY_AGAIN_LATER")
        known = self._queue.get(envelope.hash)
        if known is not None:
            return Submission(status="DUPLICATE", queued=known)
        rival = self._by_source.get(envelope.source)
        has_to_wait = rival is not None and not _same_sequence_bump(rival.envelope, envelope)
        waiting = [queued.envelope for queued in self._queue.values()]
        if has_to_wait or pays_in_other_lane(envelope.source, waiting, than=envelope):
            return Submission(status="TRY_AGAIN_LATER")
        result = validity.check(envelope, view=self.entries, now=int(self._clock()))
        result = result or self._queue_refusal(envelope, rival)
        if result is not None:
            return Submission(status="ERROR", result=result)
        if rival is not None:
            self._drop(rival)
        queued = Queued(
            envelope, asyncio.get_running_loop().create_future(), since=self.newest.sequence
        )
        self._queue[envelope.hash] = queued
        self._by_source[envelope.source] = queued
        return Submission(status="PENDING", queued=queued)

    def _queue_refusal(
        self, envelope: Envelope, rival: Queued | None
    ) -> xdr.TransactionResult | None:
        """Return why a valid transaction may not wait, or None.

        Either it bids too little to replace its rival, or its payer cannot pay for everything that
        it has offered to pay in the queue.
        Source: stellar-core, TransactionQueue.cpp, `canAdd`.
        """
        if rival is not None:
            before = offered(rival.envelope) * bidders(envelope)
            if offered(envelope) * bidders(rival.envelope) < REPLACE_FEE_FACTOR * before:
                least = -(-REPLACE_FEE_FACTOR * before // bidders(rival.envelope))
                least += envelope.resource_fee
                return outer_result(Code.txINSUFFICIENT_FEE, fee_charged=least)
        payer = read_account(self.entries, envelope.fee_payer)
        waiting = [each.envelope for each in self._queue.values() if each is not rival]
        owed = sum(each.fee for each in waiting if each.fee_payer == envelope.fee_payer)
        if payer is None or validity.spendable(payer) < owed + envelope.fee:
            return outer_result(Code.txINSUFFICIENT_BALANCE)
        return None

    def skip(self, count: int) -> int:
        """Let the next close skip this many ledgers, as if they were empty.

        Lifetimes and forgotten history count as if these ledgers had closed. Returns: the next
        ledger.
        """
        self._skipped += count
        return self.newest.sequence + self._skipped + 1

    def reset(self) -> None:
        """Reset to a first ledger, as the test network does. The next close does it."""
        self._is_reset = True

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self._clock()

    def archive(self, chosen: Sequence[Key] | None) -> int:
        """End the lives of contract data and code with the next close; None: of all of it.

        Returns: how many entries will be archived.
        """
        found = self.entries.lasting() if chosen is None else chosen
        ending = [
            key
            for key in found
            if (entry := self.entries.get(key)) is not None and entry.live_until is not None
        ]
        self._ending += ending
        return len(ending)

    def find(self, tx_hash: str) -> TransactionRecord | None:
        """Return a transaction of a closed ledger."""
        record = self.journal.transaction(tx_hash)
        # The commit is for a moment ahead of what readers see.
        if record is None or record.ledger > self.newest.sequence:
            return None
        return record

    async def run(self, stopping: asyncio.Event) -> None:
        """Close ledgers until stopped; the last one is complete."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not stopping.is_set():
            due = max(due + self._ledger_seconds, loop.time())
            await _wait(stopping, due - loop.time())
            await self.close()
        for queued in list(self._queue.values()):
            self._drop(queued)

    async def close(self) -> Header:
        """Close one ledger with everything queued so far."""
        if self._is_reset:
            self._is_reset = False
            self._start_over()
        sequence = self.newest.sequence + self._skipped + 1
        closing = _Closing(
            view=View(self.entries, sequence=sequence),
            close_time=max(int(self._clock()), self.newest.close_time),
        )
        self._skipped = 0
        for key in self._ending:
            entry = closing.view.get(key)
            if entry is not None:
                closing.view.extend(key, entry, live_until=sequence - 1)
        self._ending.clear()
        base_fees = self._base_fees()
        for queued in list(self._queue.values()):
            self._apply(queued, closing, base_fees.get(queued.envelope.hash))
            # Between two transactions, requests are answered from the ledger before.
            await asyncio.sleep(0)
        closed = self._seal(closing)
        await asyncio.to_thread(self.journal.append, closed)
        self.entries.apply(closed.changes)
        self.newest = closed.header
        for follower in self.followers:
            follower.follow(closed)
        for (queued, _), record in zip(closing.outcomes, closed.transactions, strict=True):
            self._drop(queued, record)
        for queued in closing.dropped:
            self._drop(queued)
        self._leave(closing)
        await self._forget()
        return closed.header

    def _base_fees(self) -> dict[bytes, int]:
        """Return the base fee of each transaction that fits into the next ledger, by hash."""
        lanes: dict[bool, list[Envelope]] = {False: [], True: []}
        for queued in self._queue.values():
            if not queued.held:
                lanes[queued.envelope.soroban_data is not None].append(queued.envelope)
        found: dict[bytes, int] = {}
        for lane in lanes.values():
            hashes, base_fee = chosen(lane, room=self._lane_size)
            found |= dict.fromkeys(hashes, base_fee)
        return found

    def _leave(self, closing: _Closing) -> None:
        """Ban what left the queue for some ledgers; drop what has waited for too many ledgers.

        Source: stellar-core, HerderImpl.cpp: TRANSACTION_QUEUE_TIMEOUT_LEDGERS, _BAN_LEDGERS.
        """
        sequence = closing.view.sequence
        late = [
            queued
            for queued in self._queue.values()
            if not queued.held and sequence - queued.since >= PENDING_LEDGERS
        ]
        for queued in late:
            self._drop(queued)
        gone = [*closing.dropped, *late, *(queued for queued, _ in closing.outcomes)]
        self._banned = {
            tx_hash: until for tx_hash, until in self._banned.items() if until > sequence
        }
        self._banned |= {queued.envelope.hash: sequence + BANNED_LEDGERS for queued in gone}
        for is_contract, statistics in self.paid.items():
            outcomes = [outcome for _, outcome in closing.outcomes]
            statistics.add(
                [
                    outcome.bid * bidders(outcome.envelope) // len(outcome.envelope.tx.operations)
                    for outcome in outcomes
                    if (outcome.bill is not None) == is_contract
                ]
            )

    def _apply(self, queued: Queued, closing: _Closing, base_fee: int | None) -> None:
        envelope = queued.envelope
        invalid = validity.check(envelope, view=closing.view, now=closing.close_time)
        if invalid is not None:
            closing.dropped.append(queued)
            return
        if base_fee is None:
            return
        attempt = closing.view.child()
        try:
            outcome = apply_transaction(
                envelope,
                ledger=attempt,
                environment=self.environment,
                doomed=queued.doomed,
                base_fee=base_fee,
            )
        except Exception:
            # A transaction that the devnet cannot handle must not stop the ledger.
            log.exception("devnet.transaction_dropped", hash=envelope.hash.hex())
            closing.dropped.append(queued)
            return
        closing.view.merge(attempt)
        closing.outcomes.append((queued, outcome))

    def _seal(self, closing: _Closing) -> ClosedLedger:
        outcomes = [outcome for _, outcome in closing.outcomes]
        header = Header(sequence=closing.view.sequence, close_time=closing.close_time, hash="")
        transactions = [
            transaction_record(outcome, header=header, order=number)
            for number, outcome in enumerate(outcomes, start=1)
        ]
        built = ledger_header(
            sequence=header.sequence,
            close_time=header.close_time,
            previous=self.newest.hash,
            tx_hashes=[record.hash for record in transactions],
            results=[record.result for record in transactions],
        )
        return ClosedLedger(
            header=replace(header, hash=hash_of(built)),
            changes=closing.view.changes,
            transactions=transactions,
            events=event_records(outcomes, header=header),
        )

    def _drop(self, queued: Queued, record: TransactionRecord | None = None) -> None:
        self._queue.pop(queued.envelope.hash, None)
        if self._by_source.get(queued.envelope.source) is queued:
            del self._by_source[queued.envelope.source]
        if not queued.included.done():
            queued.included.set_result(record)

    async def _forget(self) -> None:
        oldest_kept = self.newest.sequence - rules.RETENTION_LEDGERS
        if oldest_kept > self.oldest.sequence and self.newest.sequence % FORGET_EVERY_LEDGERS == 0:
            await asyncio.to_thread(self.journal.forget_before, oldest_kept)
            self.oldest = self.journal.oldest() or self.newest

    def _start_over(self) -> None:
        for queued in list(self._queue.values()):
            self._drop(queued)
        self.journal.clear()
        self.entries.clear()
        self._skipped = 0
        self._ending.clear()
        self._banned.clear()
        seed = self._identity.network_id + str(time.time_ns()).encode()
        self.newest, self.oldest = self._open(hashlib.sha256(seed).hexdigest())
        for follower in self.followers:
            follower.restart()

    def _open(self, first_hash: str) -> tuple[Header, Header]:
        newest = self.journal.newest()
        if newest is None:
            newest = Header(
                sequence=genesis.FIRST_LEDGER,
                close_time=int(self._clock()),
                hash=first_hash,
            )
            first = ClosedLedger(
                header=newest,
                changes=genesis.entries(self._identity, self.environment.lifetimes),
                transactions=(),
                events=(),
            )
            self.journal.append(first)
        self.entries.load(self.journal.entries())
        return newest, self.journal.oldest() or newest


def _same_sequence_bump(rival: Envelope, envelope: Envelope) -> bool:
    return envelope.fee_bump is not None and rival.sequence == envelope.sequence


async def _wait(stopping: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(seconds, 0)):
            await stopping.wait()
