"""Carries out a command step by step. Each step is decided from the books and the chain.

Between two steps only stored facts count, so a process may die anywhere: the next one reads the
same books and goes on.
"""

import asyncio
from dataclasses import replace

from chassis.database import Database
from chassis.leases import Lease
from services.escrow.contracts.contract import Contradiction, PlaceTaken
from services.escrow.contracts.evidence import (
    AccountView,
    EscrowView,
    Finding,
    TransactionOutcome,
)
from services.escrow.contracts.intents import UseNumber
from services.escrow.contracts.kinds import MAY_BE_REFUSED, UNGUARDED
from services.escrow.contracts.steps import Attempt, Step, StepName
from services.escrow.deposits.store import Deposits
from services.escrow.domain import CommandState
from services.escrow.ports import ChainRefused, ContractArchived, EnvelopeRefused, FeesTooHigh
from services.escrow.sending.abandonment import Abandoned, Abandonment
from services.escrow.sending.channels import Channels, Slot
from services.escrow.sending.decide import Decider
from services.escrow.sending.endings import Endings
from services.escrow.sending.journal import Journal
from services.escrow.sending.landing import Landing, given_up
from services.escrow.sending.loading import Loader
from services.escrow.sending.patience import Patience, StepTooSlow
from services.escrow.sending.recognise import Recogniser
from services.escrow.sending.recovery import Recovery
from services.escrow.sending.sender import ChannelAhead, NumberUsed, Refused, Sender
from services.escrow.sending.work import NotNow, Work, held_up

# How often a refusal is checked before the node that simulates counts as lagging.
CONFIRMATION_LOOKS = 30


class Pipeline:
    """Carries out commands."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        deposits: Deposits,
        landing: Landing,
        sender: Sender,
        channels: Channels,
        decider: Decider,
        endings: Endings,
        loader: Loader,
        recogniser: Recogniser,
        abandonment: Abandonment,
        recovery: Recovery,
        patience: Patience,
        step_seconds: float,
    ) -> None:
        self._database = database
        self._journal = journal
        self._deposits = deposits
        self._landing = landing
        self._sender = sender
        self._channels = channels
        self._decider = decider
        self._endings = endings
        self._loader = loader
        self._recogniser = recogniser
        self._abandonment = abandonment
        self._recovery = recovery
        self._patience = patience
        self._step_seconds = step_seconds

    async def carry_out(self, lease: Lease) -> CommandState:
        """Carry out a command until it ends or is quarantined; return its state.

        RUNNING: it rests, and is due again later.
        Raises: LeaseLost; ChainUnavailable: a later call goes on, nothing is lost; StepTooSlow: a
            step has used its time, and others get the slot.
        """
        known: Work | None = None
        while True:
            work = known or await self._load(lease)
            step = work.to_do
            if step is None:
                return await self._endings.succeed(work)
            known = None
            try:
                known = await self._in_time(work, step)
            except Refused as refusal:
                return await self._endings.refuse(work, step, refusal)
            except NotNow as problem:
                return await self._endings.rest(work, step, problem)
            except Abandoned as given_up:
                return await self._endings.abandon(work, step, is_frozen=given_up.is_frozen)
            except (Contradiction, EnvelopeRefused) as doubt:
                return await self._endings.quarantine(work, step, str(doubt))
            finally:
                # If the next step has the channel account, no account has become free.
                if known is None or known.to_do is None or known.to_do.source is None:
                    self._channels.changed()

    async def set_aside(self, lease: Lease, trouble: Exception) -> CommandState:
        """Let a command rest that cannot go on, or end it if that is certain; see `Patience`.

        Raises: LeaseLost; Unavailable: the database is unavailable.
        """
        work = await self._load(lease)
        step = work.current or work.steps[-1]
        decided = await self._patience.decide(work, step, trouble)
        try:
            if isinstance(decided, Refused):
                return await self._endings.refuse(work, step, decided)
            return await self._endings.rest(work, step, decided)
        finally:
            self._channels.changed()

    async def _in_time(self, work: Work, step: Step) -> Work | None:
        """Do one step, for at most the time that a step may keep a slot of the worker.

        Return the command after it; None: the command has to be read again. An interruption is as
        harmless as the end of the process, because the stored facts say how to go on. Raises:
        StepTooSlow.
        """
        try:
            async with asyncio.timeout(self._step_seconds) as limit:
                if step.doubt:
                    await self._landing.look_again(work, step)
                    return None
                if (beside := work.beside(step)) is not None:
                    return await self._advance_both(work, step, beside)
                return await self._advance(work, step)
        except TimeoutError:
            if not limit.expired():
                raise
            raise StepTooSlow(f"{step.name} is not done after {self._step_seconds} s") from None

    async def _advance_both(self, work: Work, step: Step, beside: Step) -> Work | None:
        """Do two steps at once, the second one only if a channel account is free for it.

        If one of them cannot go on, the other is interrupted too. Raises: as `_advance`.
        """
        if not step.is_signed:
            # A step whose flow is stopped must not take a channel account.
            await self._sender.check_flow(work.passage(step))
        step, beside = await self._channels.lease_at_once(work.lease, [step, beside])
        work = work.with_step(step).with_step(beside)
        if step.source is None or beside.source is None:
            return await self._advance(work, step)
        recording, recorded = asyncio.Lock(), list[Work | None]()

        async def advance(one: Step) -> None:
            found = await self._until_settled(work, one)
            async with recording:
                # What is recorded second knows of the first, so the next step inherits an account.
                known, landed = recorded[-1] if recorded else work, None
                if found is not None:
                    landed = await self._landing.settled(known or work, one, *found)
                recorded.append(known and landed)
                self._channels.changed()

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(advance(step))
                both.create_task(advance(beside))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return recorded[-1]

    async def _load(self, lease: Lease) -> Work:
        async with self._database.statement() as connection:
            return await self._loader.load(connection, lease)

    async def _advance(self, work: Work, step: Step) -> Work | None:
        """Do one step, or find out the outcome of its envelope."""
        found = await self._until_settled(work, step)
        return None if found is None else await self._landing.settled(work, step, *found)

    async def _until_settled(
        self, work: Work, step: Step
    ) -> tuple[Attempt, TransactionOutcome] | None:
        """Return an envelope of a step with its outcome; None: the command has to be read again."""
        if (found := await self._found(work, step)) is not None:
            return found
        attempt, is_new = step.in_flight, False
        if attempt is not None and attempt.slot in step.used:
            # It was signed with a used number, because a node showed an old state of its account.
            await self._landing.superseded(work, step, attempt)
            return None
        try:
            if attempt is None:
                attempt, is_new = await self._next(work, step), True
            if attempt is None:
                async with self._database.statement() as connection:
                    await self._journal.skip(connection, work.lease, step=step)
                return None
            return attempt, await self._sender.settle(step, attempt, is_new=is_new)
        except PlaceTaken as taken:
            await self._decider.places.pass_over(work, taken)
            return None
        except NumberUsed as used:
            found = await self._what_used(work, step, used)
            if found is None:
                await self._landing.superseded(work, step, used.attempt)
            return found

    async def _what_used(
        self, work: Work, step: Step, used: NumberUsed
    ) -> tuple[Attempt, TransactionOutcome] | None:
        """Find out what used a step's number when the node does not find the step's envelope.

        A restored database may know an envelope that expired, and have forgotten the next one,
        which was signed with the same number and landed. The ledgers have it. Return None if
        another step's transaction used the number: the step's envelope can never land, and nothing
        new is sent until an operator confirms.
        Raises: Contradiction: it cannot be found out; NotNow: there is more to read.
        """
        if (found := await self._sender.ask(step.unproven)) is not None:
            return found
        try:
            return used.attempt, await self._landing.by_effect(work, step, used.outcome)
        except Contradiction:
            other = await self._recogniser.what_used(work, step, used.attempt)
            if isinstance(other, Finding):
                return None
            found = await self._sender.ask([other] if other is not None else [])
            if found is None:
                raise
            return found

    async def _found(self, work: Work, step: Step) -> tuple[Attempt, TransactionOutcome] | None:
        """Return an expired envelope that a ledger includes after all, with its outcome.

        If another envelope is in flight under another number, that one is awaited first: both may
        land.
        """
        if work.may_claim and step.in_flight is None:
            step = await self._recogniser.claim(work, step)
        in_flight = step.in_flight
        return await self._sender.ask(
            [a for a in step.unproven if in_flight is None or in_flight.slot == a.slot]
        )

    async def _next(self, work: Work, step: Step) -> Attempt | None:
        """Make the next envelope; None: nothing is left to do.

        A step is given up only if nothing that was signed for it can land any more. To ensure that,
        its number is burned first. Raises: Abandoned; NumberUsed; as `_attempt`.
        """
        if step.is_signed:
            # What has landed with its number is found before the chain is asked what is missing.
            await self._sender.require_unused(step)
        if work.command.abandoned_why:
            if not step.is_signed:
                raise Abandoned(is_frozen=await self._abandonment.check(work, step))
            return await self._burn(work, step)
        try:
            return await self._attempt(work, step)
        except Refused:
            if not step.is_signed:
                raise
            return await self._burn(work, step)

    async def _burn(self, work: Work, step: Step) -> Attempt:
        slot = await self._channels.lease(work.lease, step, since=work.command.created_at)
        try:
            return await self._sender.prepare(
                work, step, slot=slot, intent=UseNumber(account=slot[0]), is_burn=True
            )
        except ChannelAhead as ahead:
            raise await self._sender.number_used(step, ahead) from ahead
        except (ChainRefused, FeesTooHigh) as refusal:
            raise NotNow(str(refusal), reason=refusal.reason) from refusal

    async def _attempt(self, work: Work, step: Step) -> Attempt | None:
        """Make an envelope for a step; None: nothing is left to do.

        Raises: Contradiction; PlaceTaken; Refused; NotNow; NumberUsed; ChainUnavailable;
            EnvelopeRefused; LeaseLost.
        """
        if step.name is StepName.MAKE_GOOD and self._decider.missing(work, step) == 0:
            return None
        # A step whose flow is stopped takes no channel account and sends no request to a node.
        passage = await self._sender.check_flow(work.passage(step))
        slot = await self._slot(work, step)
        known: int | None = None
        for look in range(1, CONFIRMATION_LOOKS + 1):
            view = await self._decider.look(work, step, source=slot[0])
            try:
                intent = await self._decider.intent(work, step, view)
                if intent is None:
                    return None
                return await self._sender.prepare(
                    work,
                    step,
                    slot=slot,
                    intent=intent,
                    shown=_shown(view, slot),
                    passage=passage,
                )
            except ChannelAhead as ahead:
                slot = await self._realigned(work, step, ahead)
                work = replace(work, view=None)
                continue
            except (FeesTooHigh, ContractArchived) as obstacle:
                raise NotNow(str(obstacle), reason=obstacle.reason) from obstacle
            except ChainRefused as refused:
                refusal = refused
                if step.name is StepName.DEPLOY:
                    await self._decider.places.require_free(work)
            # The refusal may come from the view that was read back, so the next look reads again.
            work = replace(work, view=None)
            if known is None:
                known = await self._known_ledger(work)
            is_confirmed = step.name not in MAY_BE_REFUSED or refusal.at_ledger > known
            if look >= self._sender.refusal_checks and is_confirmed:
                raise given_up(step, refusal.reason, str(refusal))
            await self._sender.pause()
        raise NotNow(f"a node that lags behind refuses: {refusal}", reason=refusal.reason)

    async def _slot(self, work: Work, step: Step) -> tuple[str, int]:
        """Return the account and the number to sign with. Raises: NotNow: nothing may be sent."""
        if work.is_held:
            raise held_up()
        if step.name in UNGUARDED and not step.attempts:
            await self._recovery.check()
        return await self._channels.lease(work.lease, step, since=work.command.created_at)

    async def _realigned(self, work: Work, step: Step, ahead: ChannelAhead) -> tuple[str, int]:
        """Move the channel account of a step that has signed nothing to the chain's number.

        Raises: NumberUsed: it has signed, and the node does not find what; NotNow: the books are
            behind.
        """
        if step.is_signed:
            raise await self._sender.number_used(step, ahead) from ahead
        return await self._sender.realign(work.lease, step, ahead)

    async def _known_ledger(self, work: Work) -> int:
        """Return the newest ledger known to be closed. A refusal in an older ledger proves nothing.

        Nodes lag behind each other, and what a step builds on may be in the last ledger.
        """
        newest = await self._sender.newest_ledger()
        async with self._database.statement() as connection:
            read = await self._deposits.known_ledger(connection)
        return max(newest, read, work.newest_ledger)


def _shown(view: EscrowView | None, slot: Slot) -> AccountView | None:
    """Return the channel account of a step, if it was read together with the contract."""
    account = None if view is None else view.account
    return account if account is not None and account.address == slot[0] else None
