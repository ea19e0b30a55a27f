"""How commands end. Each end is one transaction: the escrow, its event, the command."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database, Transaction
from chassis.telemetry import logger
from chassis.waiting import Ends
from kernel.clock import Clock
from services.escrow import domain
from services.escrow.commands.store import CommandStore, EscrowChange, Name
from services.escrow.contracts.steps import Step
from services.escrow.domain import CommandKind, CommandState, Escrow, Fact, WalletState
from services.escrow.ports import FeesTooHigh
from services.escrow.sending.journal import Journal
from services.escrow.sending.sender import Refused
from services.escrow.sending.work import NotNow, Work, present
from services.escrow.wallets.store import WalletStore
from services.escrow.wallets.waking import Waking

REST_SECONDS = 2
REST_SECONDS_MAX = 60
REST_DOUBLINGS_MAX = 10
# A command that has waited this often for lower fees is an alarm: the limit may be too low.
FEES_ALARM = 3
log = logger()


class Endings:
    """Records that commands end or rest."""

    def __init__(
        self,
        *,
        database: Database,
        store: CommandStore,
        wallets: WalletStore,
        journal: Journal,
        waking: Waking,
        clock: Clock,
        ends: Ends[Name],
    ) -> None:
        self._database = database
        self._store = store
        self._wallets = wallets
        self._journal = journal
        self._waking = waking
        self._clock = clock
        self._ends = ends

    async def succeed(self, work: Work) -> CommandState:
        """End a command whose steps are all done; tells who waits for it here how it ended."""
        command = work.command
        if command.state is not CommandState.SUCCEEDED:
            async with self._database.transaction() as tx:
                await self.end(tx, work)
        elif command.finished_at is not None:
            self._ends.ended((command.marketplace_id, command.id), command)
        log.info("escrow.command_succeeded", kind=work.command.kind.value)
        return CommandState.SUCCEEDED

    async def end(self, tx: Transaction, work: Work) -> Work:
        """Record, in the caller's transaction, that a command's steps are all done."""
        at = self._clock.now()
        await self._journal.end(tx, work.lease, state=CommandState.SUCCEEDED, at=at)
        if work.command.escrow is not None:
            await self._store.save_escrow(tx, self.success(work, at=at))
        elif work.command.kind is CommandKind.CREATE_WALLET:
            wallet = present(work.target)
            await self._wallets.set_wallet_state(tx, wallet=wallet, state=WalletState.ACTIVE)
            if not _is_return(work):
                # The wallet's only event.
                await self._wallets.tell_wallet(
                    tx, wallet=wallet, at=at, correlation_id=work.command.correlation_id
                )
        elif work.command.kind is CommandKind.MERGE_WALLET:
            await self._waking.merged(tx, present(work.target))
        return replace(work, command=replace(work.command, state=CommandState.SUCCEEDED))

    def success(
        self, work: Work, *, at: dt.datetime, completes_milestone: bool = False
    ) -> EscrowChange:
        """Return the change of an escrow whose command has done all its steps.

        completes_milestone: the last step was the seller's mark on a milestone.
        """
        kind, payments = work.command.kind, work.command.payments
        escrow, told = work.escrow, list[Fact]()
        if completes_milestone:
            escrow, told = domain.complete_milestone(escrow)
        ended, facts = domain.succeed(escrow, kind=kind, payments=payments, at=at)
        return self._change(work, (ended, [*told, *facts]), at=at)

    def milestone(self, work: Work) -> EscrowChange:
        """Return the change of an escrow whose milestone is complete."""
        return self._change(work, domain.complete_milestone(work.escrow), at=self._clock.now())

    def now(self) -> dt.datetime:
        """Return the time of an end that is recorded now."""
        return self._clock.now()

    async def refuse(self, work: Work, step: Step, refusal: Refused) -> CommandState:
        """End a command whose first step was refused; quarantine a command with a landed step."""
        if work.has_changed_the_chain:
            return await self.quarantine(work, step, f"{refusal.reason}: {refusal.message}")
        is_frozen = work.command.was_frozen
        return await self._fail(
            work, step, reason=refusal.reason, message=refusal.message, is_frozen=is_frozen
        )

    async def abandon(self, work: Work, step: Step, *, is_frozen: bool) -> CommandState:
        """End a command of which nothing has landed, as an operator has ruled.

        is_frozen: its contract is disputed.
        """
        return await self._fail(
            work,
            step,
            reason="ABANDONED",
            message=work.command.abandoned_why,
            is_frozen=is_frozen,
        )

    async def _fail(
        self, work: Work, step: Step, *, reason: str, message: str, is_frozen: bool
    ) -> CommandState:
        lease, at = work.lease, self._clock.now()
        async with self._database.transaction() as tx:
            await self._journal.end(
                tx,
                lease,
                state=CommandState.FAILED,
                at=at,
                reason=reason,
                message=message,
                refused=step,
            )
            if work.command.escrow is not None:
                decided = domain.refuse(
                    work.escrow, reason=reason, message=message, was_frozen=is_frozen
                )
                await self._store.save_escrow(tx, self._change(work, decided, at=at))
            elif work.command.kind is CommandKind.CREATE_WALLET:
                wallet = present(work.target)
                state = WalletState.MERGED if _is_return(work) else WalletState.FAILED
                await self._wallets.set_wallet_state(tx, wallet=wallet, state=state)
            elif work.command.kind is CommandKind.MERGE_WALLET:
                wallet = present(work.target)
                await self._wallets.set_wallet_state(tx, wallet=wallet, state=WalletState.ACTIVE)
        log.error("escrow.command_failed", kind=work.command.kind.value, reason=reason)
        return CommandState.FAILED

    async def quarantine(self, work: Work, step: Step, message: str) -> CommandState:
        """Stop a command until an operator acts. A step in flight keeps its channel account."""
        lease = work.lease
        async with self._database.statement() as connection:
            await self._journal.quarantine(
                connection, lease, step=step, reason="QUARANTINED", message=message
            )
        log.error(
            "escrow.quarantined",
            command_id=str(lease.id),
            step=step.name.value,
            why=message,
        )
        return CommandState.QUARANTINED

    def _change(
        self, work: Work, decided: tuple[Escrow, Sequence[Fact]], *, at: dt.datetime
    ) -> EscrowChange:
        return EscrowChange.of(
            work.escrow,
            decided,
            at=at,
            correlation_id=work.command.correlation_id,
            causation_id=str(work.command.id),
        )

    async def rest(self, work: Work, step: Step, problem: NotNow) -> CommandState:
        """Postpone a command, and store what it waits for."""
        seconds = problem.seconds
        if seconds is None:
            seconds = rest_seconds(work.command.waits)
        async with self._database.statement() as connection:
            await self._journal.put_off(
                connection,
                work.lease,
                step=step,
                seconds=seconds,
                reason=problem.reason,
                message=str(problem),
                is_trouble=problem.is_trouble,
            )
        if problem.reason == FeesTooHigh.reason and work.command.waits + 1 >= FEES_ALARM:
            log.error("escrow.fees_too_high", step=step.name.value, why=str(problem)[:200])
        log.warning(
            "escrow.step_waits",
            command_id=str(work.lease.id),
            step=step.name.value,
            reason=problem.reason,
            why=str(problem)[:200],
            waits=work.command.waits + 1,
            seconds=seconds,
        )
        return CommandState.RUNNING


def _is_return(work: Work) -> bool:
    """Tell whether a command creates the account of a merged wallet again."""
    return "is_return" in work.steps[0].terms


def rest_seconds(waits: int) -> int:
    """Return for how many seconds a command rests: twice as long after each postponement.

    An operator may cut the rest short.
    """
    return int(min(REST_SECONDS_MAX, REST_SECONDS * 2 ** min(waits, REST_DOUBLINGS_MAX)))
