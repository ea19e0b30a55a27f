"""Takes one envelope to the ledger: build, verify, sign, store, send, wait. No business rules.

A step keeps its channel account and sequence number for all its envelopes, so that the network can
apply at most one. A new envelope is made only when the one before is dead: it is not found, a
ledger has closed after its last valid moment, and its number is unused there.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypedDict

from chassis.database import Database, Transaction
from chassis.leases import Lease
from chassis.telemetry import logger
from services.escrow.contracts.evidence import (
    AccountView,
    OutcomeStatus,
    Prepared,
    SubmitStatus,
    TransactionOutcome,
)
from services.escrow.contracts.intents import Intent
from services.escrow.contracts.steps import Attempt, Step
from services.escrow.ports import Chain, ChainRefused, ChainUnavailable, EscrowBuilder
from services.escrow.sending.flow_store import FlowStore
from services.escrow.sending.flows import Flow, FlowClosed, Passage
from services.escrow.sending.journal import Journal
from services.escrow.sending.landings import Landings
from services.escrow.sending.ledger_times import PAUSE_SECONDS_MAX, LedgerTimes
from services.escrow.sending.work import BooksChanged, NotNow, Work, held_up
from services.escrow.wallets.keyring import Keyring

# A node forgets envelopes that wait for a ledger, so the same bytes are sent again this often.
RESEND_SECONDS = 5.0
# After this time the check of a flow is repeated before anything is signed.
FLOW_SECONDS = 1.0
log = logger()


class Refused(Exception):
    """The chain refuses the step for good; nothing of it is in flight."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NumberUsed(Exception):
    """The number of an envelope is used, and the node finds no envelope of the step that used it.

    The node denies an envelope that it has, it no longer keeps the ledger, or the books have
    forgotten the envelope that used the number. outcome: the node's last answer.
    """

    def __init__(self, attempt: Attempt, outcome: TransactionOutcome) -> None:
        super().__init__("its sequence number is used, and the node does not find it")
        self.attempt = attempt
        self.outcome = outcome


class ChannelAhead(Exception):
    """A channel account has used the number that a step was about to sign with.

    at_ledger: the ledger in which the node showed the account.
    """

    def __init__(self, *, source: str, used: int, at_ledger: int) -> None:
        super().__init__(f"the channel account {source} has used {used}")
        self.source = source
        self.used = used
        self.at_ledger = at_ledger


class Frame(TypedDict):
    """The parts of an envelope that do not follow from its intent."""

    source: str
    sequence: int
    max_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A step that its flow lets pass. has_limit: there is a daily limit; at: monotonic seconds."""

    passage: Passage
    has_limit: bool
    at: float

    @property
    def is_recent(self) -> bool:
        """Tell whether the flow was checked a moment ago."""
        return time.monotonic() - self.at < FLOW_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How patient the sender is.

    transaction_seconds: how long an envelope may land; refusal_checks: how often a simulated
    refusal is checked before it is believed, because nodes lag behind each other.
    """

    poll_seconds: float
    transaction_seconds: int
    refusal_checks: int = 3


class Sender:
    """Takes a step's intent to the ledger."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        landings: Landings,
        flows: FlowStore,
        chain: Chain,
        builder: EscrowBuilder,
        keyring: Keyring,
        pace: Pace,
        is_bumping: bool,
    ) -> None:
        """is_bumping: the platform's account pays the fees of channel accounts' transactions."""
        self._database = database
        self._journal = journal
        self._landings = landings
        self._flows = flows
        self._chain = chain
        self._builder = builder
        self._keyring = keyring
        self._pace = pace
        self._ledgers = LedgerTimes(poll_seconds=pace.poll_seconds)
        self._is_bumping = is_bumping
        # Flows that had neither a stop nor a limit when they were last checked.
        self._open: dict[tuple[uuid.UUID, Flow], Checked] = {}

    async def realign(self, lease: Lease, step: Step, ahead: ChannelAhead) -> tuple[str, int]:
        """Move the channel account of a step to the number after those that the chain has used.

        Steps of ours used them, and gave the account back without knowing. If the books do not know
        what used a number, they have forgotten something, and nobody sends anything new.
        Raises: LeaseLost; NotNow.
        """
        source, used = ahead.source, ahead.used
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, lease)
            first = step.sequence or used
            forgotten = await self._landings.forgotten(tx, source=source, first=first, last=used)
            if forgotten:
                await self._landings.open_hold(tx, why=f"{ahead}, and no book knows what for")
            else:
                await self._landings.realign(tx, source=source, used=used, step=step)
        log.warning("escrow.channel_ahead", channel=source, used=used, forgotten=forgotten)
        if forgotten:
            raise held_up()
        return source, used + 1

    async def prepare(
        self,
        work: Work,
        step: Step,
        *,
        slot: tuple[str, int],
        intent: Intent,
        shown: AccountView | None = None,
        passage: Checked | None = None,
        is_burn: bool = False,
    ) -> Attempt:
        """Build, verify, sign and store an envelope. It may be sent when this returns.

        shown: the channel account, if it was just read. passage: the step's passage through its
        flow, just checked; None: the step moves no money. The flow is checked before signing, and
        again in the transaction that stores and counts the envelope. If it was stopped meanwhile,
        nothing is stored.
        Raises: ChainRefused: simulated; EnvelopeRefused; ChannelAhead: the number is used;
            ChainUnavailable; LeaseLost; NotNow: nothing new may be sent; BooksChanged.
        """
        source, sequence = slot
        await self._check_sequence(source, sequence, shown)
        ledger = await self._chain.recent_ledger()
        max_time = ledger.close_time + self._pace.transaction_seconds
        frame: Frame = {"source": source, "sequence": sequence, "max_time": max_time}
        # An envelope that failed was in a ledger, so its bid was high enough.
        tries = len(step.expired)
        unsigned = await self._builder.build(intent, **frame, tries=tries)
        channel = await self._keyring.channel(source)
        named = {**work.signers, channel.address: channel}
        if passage is not None and not passage.is_recent:
            await self.check_flow(passage.passage)
        payer = await self._keyring.platform() if self._is_bumping else None
        prepared = await self._chain.verify_and_sign(
            unsigned, intent, **frame, signers=named, payer=payer
        )
        attempt = Attempt(
            number=len(step.attempts) + 1,
            prepared=prepared,
            prepared_at_ledger=ledger.sequence,
            is_burn=is_burn,
        )
        await self._keep(work, step, attempt, passage)
        return attempt

    async def check_flow(self, passage: Passage | None) -> Checked | None:
        """Check that a step's flow lets it pass, or did a moment ago. Raises: NotNow."""
        if passage is None:
            return None
        key = passage.marketplace_id, passage.flow
        known = self._open.get(key)
        if known is not None and known.is_recent:
            return replace(known, passage=passage)
        with _not_now():
            async with self._database.statement() as connection:
                has_limit = await self._flows.check(connection, passage)
        checked = Checked(passage=passage, has_limit=has_limit, at=time.monotonic())
        if not has_limit and passage.is_limited:
            self._open[key] = checked
        return checked

    async def settle(self, step: Step, attempt: Attempt, *, is_new: bool) -> TransactionOutcome:
        """Send stored bytes that no ledger has yet, until the ledgers show the outcome.

        Return an outcome that is SUCCEEDED or FAILED, or NOT_FOUND if the envelope can never land.
        Raises: ChainUnavailable: the outcome is unknown; NumberUsed: it landed or failed, and the
            node does not tell which.
        """
        outcome = None if is_new else await self._outcome(attempt)
        send_at, is_pending, denials, pause = 0.0, False, 0, self._pace.poll_seconds
        while True:
            if outcome is not None:
                if outcome.status is not OutcomeStatus.NOT_FOUND:
                    return outcome
                is_used = await self._is_used(attempt.prepared, outcome)
                if is_used is False:
                    return outcome
                denials += is_used is True
                if denials > self._pace.refusal_checks:
                    raise NumberUsed(attempt, outcome)
            now = time.monotonic()
            if now >= send_at and not denials:
                is_pending, seconds = await self._send(step, attempt)
                send_at = now + seconds
            if is_pending and not denials:
                await self._ledgers.wait(outcome, until=send_at)
            else:
                await asyncio.sleep(pause)
            pause = min(pause * 1.1, max(PAUSE_SECONDS_MAX, self._pace.poll_seconds))
            outcome = await self._outcome(attempt)

    async def require_unused(self, step: Step) -> None:
        """Check that the number with which a step has signed something is unused.

        Raises: NumberUsed; ChainUnavailable.
        """
        if step.source is None or step.sequence is None:
            return
        try:
            await self._check_sequence(step.source, step.sequence)
        except ChannelAhead as ahead:
            raise await self.number_used(step, ahead) from ahead

    async def number_used(self, step: Step, ahead: ChannelAhead) -> NumberUsed:
        """Return the exception for a step that has signed with a used number.

        Raises: ChainUnavailable.
        """
        slot = step.source, step.sequence
        attempt = next(a for a in reversed(step.unproven) if a.slot == slot)
        outcome = await self._outcome(attempt)
        at_ledger = max(outcome.latest_ledger, ahead.at_ledger)
        return NumberUsed(attempt, replace(outcome, latest_ledger=at_ledger))

    async def ask(self, attempts: Sequence[Attempt]) -> tuple[Attempt, TransactionOutcome] | None:
        """Ask by hash for the outcomes of envelopes; return the first that a ledger includes.

        Raises: ChainUnavailable.
        """
        for attempt in attempts:
            outcome = await self._outcome(attempt)
            if outcome.status is not OutcomeStatus.NOT_FOUND:
                return attempt, outcome
        return None

    async def require_no_hold(self, tx: Transaction) -> None:
        """Check that no hold is open. Raises: NotNow."""
        if await self._landings.is_held(tx):
            raise held_up()

    async def newest_ledger(self) -> int:
        """Return the newest ledger that a node knows. Raises: ChainUnavailable."""
        return (await self._chain.latest_ledger()).sequence

    async def pause(self) -> None:
        """Wait for about the time between two polls of the chain."""
        await asyncio.sleep(self._pace.poll_seconds)

    @property
    def refusal_checks(self) -> int:
        """Return how often a simulated refusal is checked before it is believed."""
        return self._pace.refusal_checks

    async def announce(self, transaction_hash: str) -> None:
        """Tell the provider that a transaction has landed."""
        await self._builder.announce(transaction_hash=transaction_hash)

    async def _outcome(self, attempt: Attempt) -> TransactionOutcome:
        """Ask for an envelope's outcome by its hash; before it counts as gone, by its fee bump's.

        A transaction in a fee bump lands under its own hash, which is asked for first. But some
        nodes list fee bumps only under the fee bump's hash.
        """
        prepared = attempt.prepared
        outcome = await self._chain.outcome(prepared.hash)
        self._ledgers.saw(outcome.latest_ledger)
        is_denied = outcome.status is OutcomeStatus.NOT_FOUND and outcome.is_after(prepared)
        if not (is_denied and prepared.bump_hash):
            return outcome
        outcome = await self._chain.outcome(prepared.bump_hash)
        return replace(outcome, hash=prepared.hash)

    async def _send(self, step: Step, attempt: Attempt) -> tuple[bool, float]:
        """Send once; return whether the node takes it, and in how many seconds to send again."""
        try:
            submission = await self._chain.submit(attempt.prepared.envelope_xdr)
        except (ChainUnavailable, ChainRefused) as error:
            # It is unknown whether the node took it; the ledgers will show it.
            log.warning("escrow.submit_unknown", step=step.name, error=str(error))
            return False, self._pace.poll_seconds
        if submission.status is SubmitStatus.TRY_AGAIN_LATER:
            return False, self._pace.poll_seconds
        if submission.status is SubmitStatus.REFUSED:
            # Bytes that have landed are refused too, with txBAD_SEQ: ask by hash.
            log.warning("escrow.submit_refused", step=step.name, code=submission.code)
        return submission.status is not SubmitStatus.REFUSED, RESEND_SECONDS

    async def _keep(
        self, work: Work, step: Step, attempt: Attempt, passage: Checked | None
    ) -> None:
        """Store an envelope, before its first byte is sent."""
        keep = partial(
            self._journal.keep_attempt,
            lease=work.lease,
            step=step,
            attempt=attempt,
            may_claim=work.may_claim,
            abandoned_why=work.command.abandoned_why,
        )
        if passage is None or not passage.has_limit:
            async with self._database.statement() as connection:
                if await keep(connection, passage=None if passage is None else passage.passage):
                    return
        # Something blocks the envelope, or it has to be counted under the lock of its flow.
        async with self._database.transaction() as tx:
            if passage is not None:
                with _not_now():
                    await self._flows.admit(tx, passage.passage)
            if not await keep(tx):
                await self.require_no_hold(tx)
                raise BooksChanged("the command has changed since it was read")

    async def _check_sequence(
        self, source: str, sequence: int, shown: AccountView | None = None
    ) -> None:
        account = shown or await self._chain.account(source)
        if account is None or account.sequence < sequence - 1:
            raise ChainUnavailable("the node lags behind the channel account")
        if account.sequence >= sequence:
            raise ChannelAhead(
                source=source, used=account.sequence, at_ledger=account.read_at_ledger
            )

    async def _is_used(self, prepared: Prepared, outcome: TransactionOutcome) -> bool | None:
        """Tell whether a ledger has used the number of an envelope whose time is over.

        This needs no history: what lands uses up its number, and nothing lands from the first
        ledger after its time on. None: its time is not over, or the node lags behind that ledger.
        Raises: ChainUnavailable.
        """
        if not outcome.is_after(prepared):
            return None
        account = await self._chain.account(prepared.source)
        if account is None or account.read_at_ledger < outcome.latest_ledger:
            return None
        return account.sequence >= prepared.sequence


@contextmanager
def _not_now() -> Iterator[None]:
    """Turn the error of a closed flow into `NotNow`: the step waits."""
    try:
        yield
    except FlowClosed as closed:
        raise NotNow(str(closed), reason=closed.reason) from closed
