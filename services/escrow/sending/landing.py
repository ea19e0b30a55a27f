"""Records the outcome of an envelope: it landed, it failed, or it can no longer land."""

from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database
from chassis.telemetry import logger
from kernel.money import UNIT
from services.escrow.contracts import contract, kinds
from services.escrow.contracts.contract import Contradiction
from services.escrow.contracts.evidence import EscrowView, OutcomeStatus, TransactionOutcome
from services.escrow.contracts.kinds import (
    MAY_BE_REFUSED,
    PLATFORM_PAYS,
    SHOWN_BY_EFFECT,
    UNGUARDED,
    WITHOUT_CONTRACT,
)
from services.escrow.contracts.steps import (
    Attempt,
    AttemptState,
    Step,
    StepName,
)
from services.escrow.domain import PayeeRole, Payment
from services.escrow.measures import FEES
from services.escrow.ports import Chain, ChainUnavailable
from services.escrow.sending.channels import Channels
from services.escrow.sending.decide import Decider
from services.escrow.sending.endings import Endings
from services.escrow.sending.journal import Journal
from services.escrow.sending.sender import Refused, Sender
from services.escrow.sending.work import NotNow, Work, present

# After this many steps a command gives back its channel account, even if nobody is seen to wait.
INHERITED_MAX = 4
LEDGER_FAILURES_MAX = 3
# This many envelopes of a step that no ledger included are an alarm.
EXPIRED_ALARM = 3
READ_BACK_LOOKS = 200
# The code of an attempt whose outcome was concluded from its effect.
BY_EFFECT = "BY_EFFECT"
# The code of an attempt whose number was burned, so that nothing else can land with it.
BURNT = "BURNT"
log = logger()


class Landing:
    """Records the outcomes of envelopes."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        chain: Chain,
        sender: Sender,
        decider: Decider,
        endings: Endings,
        channels: Channels,
    ) -> None:
        self._channels = channels
        self._database = database
        self._journal = journal
        self._chain = chain
        self._sender = sender
        self._decider = decider
        self._endings = endings

    async def settled(
        self, work: Work, step: Step, attempt: Attempt, outcome: TransactionOutcome
    ) -> Work | None:
        """Record the outcome of an envelope of a step.

        Return the command after it; None: the command has to be read again.
        Raises: Contradiction: it landed differently than was meant; Refused; NotNow.
        """
        if outcome.status is not OutcomeStatus.NOT_FOUND:
            FEES.labels(step.name.value).inc(outcome.fee / UNIT)
        if attempt.is_burn and outcome.status is OutcomeStatus.SUCCEEDED:
            # A ledger has used the number, but the burn did not do the step.
            outcome = replace(outcome, status=OutcomeStatus.FAILED, code=BURNT)
        if outcome.status is OutcomeStatus.SUCCEEDED:
            return await self._landed(work, step, attempt, outcome)
        await self._did_not_succeed(work, step, attempt, outcome)
        return None

    async def superseded(self, work: Work, step: Step, attempt: Attempt) -> None:
        """Record that an envelope can no longer land: another transaction has used its number."""
        async with self._database.statement() as connection:
            await self._journal.superseded(connection, work.lease, step=step, attempt=attempt)
        log.warning("escrow.attempt_superseded", step=step.name, hash=attempt.prepared.hash)

    async def by_effect(
        self, work: Work, step: Step, outcome: TransactionOutcome
    ) -> TransactionOutcome:
        """Conclude the outcome of an envelope whose number is used and that no node finds.

        Raises: Contradiction: the step moves money, so its effect proves nothing.
        """
        is_shown = await self._is_shown(work, step, outcome.latest_ledger)
        log.warning("escrow.concluded_by_effect", step=step.name, hash=outcome.hash, shown=is_shown)
        if is_shown is False:
            return replace(outcome, status=OutcomeStatus.FAILED, code=BY_EFFECT)
        if is_shown and step.name in SHOWN_BY_EFFECT:
            return replace(outcome, status=OutcomeStatus.SUCCEEDED, code=BY_EFFECT)
        raise Contradiction(
            f"the number of {outcome.hash} is used, and the node does not find what used it"
        )

    async def look_again(self, work: Work, step: Step) -> None:
        """Look again at a step that landed differently than was meant.

        Raises: Contradiction: the chain still shows the difference.
        """
        attempt = step.landed
        if attempt is None:
            raise LookupError("a step in doubt has landed")
        its = [p for p in work.command.payments if p.transaction_hash == attempt.prepared.hash]
        await self._read_back(work, step, attempt, ledger=attempt.ledger or 0, paid=its)
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            await self._journal.clear_doubt(tx, step)

    async def _is_shown(self, work: Work, step: Step, ledger: int) -> bool | None:
        """Tell whether the chain shows a step's effect; None: the chain cannot show it."""
        if step.name in UNGUARDED:
            return None
        if step.name is StepName.CREATE_ACCOUNT:
            return await self._decider.intent(work, step) is None
        if step.name is StepName.MERGE_ACCOUNT:
            return await self._chain.account(present(work.target).address) is None
        contract_id = work.escrow.contract_id
        if step.name is StepName.DEPLOY:
            return await self._chain.read_escrow(contract_id) is not None
        return kinds.is_done(step, view=await self._view_at(contract_id, ledger))

    async def _landed(
        self, work: Work, step: Step, attempt: Attempt, outcome: TransactionOutcome
    ) -> Work | None:
        """Read back what a landed transaction did, and record it in one transaction.

        The command ends with its last step. The channel account goes to the next step, unless
        others wait for an account.
        """
        doubt: Contradiction | None = None
        view: EscrowView | None = None
        named: dict[str, PayeeRole] = {}
        if work.parties is not None:
            named = contract.payees(work.escrow, parties=work.parties)
        paid = kinds.observed(step, outcome=outcome, named=named)
        if step.name is StepName.WITHDRAW and not paid:
            # A withdrawal's one operation pays the amount or fails. Some nodes leave out its event.
            paid = [self._meant_payment(work, step, attempt)]
        try:
            view = await self._read_back(work, step, attempt, ledger=outcome.ledger, paid=paid)
        except Contradiction as found:
            doubt = found
        following = work.following(step) if doubt is None else None
        heir = following if self._may_inherit(work, following) else None
        ended = replace(
            attempt, state=AttemptState.SUCCEEDED, ledger=outcome.ledger, code=outcome.code
        )
        after = work.landed(step, ended, paid=paid, view=view)
        ends, change, ends_at = doubt is None and following is None, None, None
        completes = step.name is StepName.CHANGE_MILESTONE_STATUS
        if ends and work.command.escrow is not None:
            ends_at = self._endings.now()
            change = self._endings.success(after, at=ends_at, completes_milestone=completes)
        elif completes:
            change = self._endings.milestone(work)
        # One statement writes everything, except at the end of a command on a wallet.
        is_one = not ends or ends_at is not None
        lent = self._database.statement() if is_one else self._database.transaction()
        async with lent as tx:
            slot = await self._journal.succeeded(
                tx,
                work.lease,
                step=step,
                attempt=attempt,
                outcome=outcome,
                paid=paid,
                doubt=str(doubt or ""),
                heir=heir,
                change=change,
                ends_at=ends_at,
            )
            if not is_one:
                await self._endings.end(tx, after)
        escrow = None if change is None else change.escrow
        after = after.going_on(escrow, heir=heir, slot=slot, has_ended=ends, ended_at=ends_at)
        log.info("escrow.step_landed", step=step.name, hash=outcome.hash, ledger=outcome.ledger)
        await self._sender.announce(outcome.hash)
        if doubt is not None:
            raise doubt
        # The step's other envelopes have ended with it, so the command is read again.
        return None if step.attempts and not ends else after

    def _may_inherit(self, work: Work, following: Step | None) -> bool:
        """Tell whether the next step may inherit the channel account of a landed step.

        A long command gives the account back now and then, because waiting steps of other processes
        are not visible here.
        """
        if following is None or following.source is not None:
            return False
        is_turn_over = following.position % INHERITED_MAX == 0
        return not is_turn_over and not self._channels.is_awaited_by_others(work.lease)

    async def _read_back(
        self,
        work: Work,
        step: Step,
        attempt: Attempt,
        *,
        ledger: int,
        paid: Sequence[Payment],
    ) -> EscrowView | None:
        """Compare what the chain shows after a step with the step's purpose.

        Raises: Contradiction.
        """
        if step.name is StepName.WITHDRAW:
            kinds.check_paid_out(self._meant_payment(work, step, attempt), paid=paid)
        if step.name in WITHOUT_CONTRACT:
            return None
        escrow, parties = work.escrow, present(work.parties)
        source = attempt.prepared.source
        view = await self._view_at(escrow.contract_id, ledger, account=source)
        if step.name is StepName.DEPLOY:
            self._decider.places.require_meant(work, view)
        if not kinds.is_done(step, view=view):
            raise Contradiction(f"{step.name} has landed, and the contract does not show it")
        kinds.check_paid(step, paid=paid, escrow=escrow, parties=parties)
        return view

    def _meant_payment(self, work: Work, step: Step, attempt: Attempt) -> Payment:
        payout = kinds.withdrawal(step, wallet=work.payer)
        account = self._chain.recipient(payout.to_address).account
        return kinds.paid_out(payout, account=account, transaction_hash=attempt.prepared.hash)

    async def _view_at(self, contract_id: str, ledger: int, *, account: str = "") -> EscrowView:
        for _ in range(READ_BACK_LOOKS):
            view = await self._chain.read_escrow(contract_id, account=account)
            if view is not None and view.read_at_ledger >= ledger:
                return view
            await self._sender.pause()
        raise ChainUnavailable("the node lags behind a ledger that it has announced")

    async def _did_not_succeed(
        self, work: Work, step: Step, attempt: Attempt, outcome: TransactionOutcome
    ) -> None:
        """Record that an envelope failed in a ledger, or can never land."""
        failed = outcome.status is OutcomeStatus.FAILED
        async with self._database.statement() as connection:
            if failed:
                await self._journal.failed(
                    connection, work.lease, step=step, attempt=attempt, outcome=outcome
                )
            else:
                await self._journal.expired(connection, work.lease, attempt=attempt)
        state = AttemptState.FAILED if failed else AttemptState.EXPIRED
        if not failed and len(step.expired) + 1 >= EXPIRED_ALARM:
            # Its bid has doubled each time: the limit is too low, or no node forwards the envelope.
            log.error("escrow.does_not_land", step=step.name, tries=len(step.expired) + 1)
        refusal = outcome.contract_error
        log.warning(
            "escrow.attempt_ended",
            step=step.name,
            state=state.value,
            code=outcome.code,
            contract=refusal and refusal.contract_id,
            error=refusal and refusal.code,
        )
        failures = sum(a.state is AttemptState.FAILED and not a.is_burn for a in step.attempts)
        if failed and not attempt.is_burn and failures + 1 >= LEDGER_FAILURES_MAX:
            raise given_up(step, "CHAIN_FAILED", outcome.code)


def given_up(step: Step, reason: str, message: str) -> Refused | NotNow:
    """Return the exception for a step that the chain refuses: the command ends, or it waits."""
    if step.name in MAY_BE_REFUSED:
        return Refused(reason, message)
    # An operator has to send money to the platform's wallet, or find out why the contract refuses.
    event = "escrow.platform_cannot_pay" if step.name in PLATFORM_PAYS else "escrow.step_refused"
    log.error(event, step=step.name.value, reason=reason, why=message)
    return NotNow(message, reason=reason)
