"""Carrying out a command: step after step, each decided anew from the books and the chain.

Nothing is remembered between two steps but what is stored, so a process may die anywhere: the
next one reads the same books and goes on.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from chassis.database import Database, Transaction
from chassis.telemetry import logger
from services.escrow import calls
from services.escrow.calls import Contradiction, Parties
from services.escrow.decide import Decider
from services.escrow.domain import Command, CommandState, PayeeRole, Payment, Wallet
from services.escrow.endings import Endings
from services.escrow.evidence import EscrowView, OutcomeStatus, TransactionOutcome
from services.escrow.keyring import Keyring
from services.escrow.ports import (
    Chain,
    ChainRefused,
    ChainUnavailable,
    EnvelopeRefused,
    FeesTooHigh,
    Signer,
)
from services.escrow.sender import HistoryLost, Refused, Sender
from services.escrow.steps import StepName
from services.escrow.store.escrows import EscrowStore
from services.escrow.store.journal import Attempt, AttemptState, Journal, Lease, Step, StepState
from services.escrow.store.progress import Progress
from services.escrow.work import NotNow, Work, present

LEDGER_FAILURES_MAX = 3
READ_BACK_LOOKS = 200
# How often a refusal is looked at before the node that simulates counts as lagging.
CONFIRMATION_LOOKS = 30
# Steps that the chain may refuse for good: none of the order's money is in the contract, and what
# they begin can be begun again. All others have no way but forward: they wait, and are built anew
# from what the chain then shows. Strangers could make such a step fail as often as they like.
MAY_BE_REFUSED = frozenset({StepName.DEPLOY, StepName.FUND, StepName.PAY})
# Steps that only the platform's own money can be missing for.
PLATFORM_PAYS = frozenset({StepName.CREATE_ACCOUNT, StepName.MAKE_GOOD})
# Steps whose effect, with their sequence number used up, proves that they landed: it is no money
# whose way would have to be known.
SHOWN_BY_EFFECT = frozenset(
    {
        StepName.CREATE_ACCOUNT,
        StepName.DEPLOY,
        StepName.CHANGE_MILESTONE_STATUS,
        StepName.APPROVE_MILESTONE,
        StepName.DISPUTE,
    }
)
# What an attempt's code says where no ledger is left to say it.
BY_EFFECT = "BY_EFFECT"
# Steps that need no look at a contract after they landed.
WITHOUT_CONTRACT = frozenset({StepName.CREATE_ACCOUNT, StepName.PAY, StepName.MAKE_GOOD})
log = logger()


class Pipeline:
    """Carries commands out."""

    def __init__(
        self,
        *,
        database: Database,
        store: EscrowStore,
        journal: Journal,
        progress: Progress,
        chain: Chain,
        sender: Sender,
        decider: Decider,
        endings: Endings,
        keyring: Keyring,
        provider_fee_address: str,
    ) -> None:
        self._database = database
        self._store = store
        self._journal = journal
        self._progress = progress
        self._chain = chain
        self._sender = sender
        self._decider = decider
        self._endings = endings
        self._keyring = keyring
        self._provider = provider_fee_address

    async def carry_out(self, lease: Lease) -> CommandState:
        """Take a command to its end, or to quarantine; returns its state.

        RUNNING: it rests, and is due again later.
        Raises: LeaseLost; ChainUnavailable: the same call goes on later, nothing is lost.
        """
        while True:
            work = await self._load(lease)
            step = work.current
            if step is None:
                return await self._endings.succeed(work)
            try:
                await self._advance(work, step)
            except Refused as refusal:
                return await self._endings.refuse(work, step, refusal)
            except NotNow as problem:
                return await self._endings.rest(work, step, problem)
            except (Contradiction, EnvelopeRefused) as doubt:
                return await self._endings.quarantine(work, step, str(doubt))
            finally:
                self._sender.channel_was_freed()

    async def _load(self, lease: Lease) -> Work:
        platform = await self._keyring.platform()
        signers = {platform.address: platform}
        parties = target = None
        wallets: list[Wallet] = []
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, lease)
            command = await self._store.command(
                tx, marketplace_id=lease.marketplace_id, command_id=lease.command_id
            )
            steps = await self._journal.steps(tx, lease)
            if command.escrow is None:
                target = await self._wallet(tx, command, present(command.wallet_id), signers)
                wallets = [target]
            else:
                buyer = await self._wallet(tx, command, command.escrow.buyer_wallet_id, signers)
                seller = await self._wallet(tx, command, command.escrow.seller_wallet_id, signers)
                wallets = [buyer, seller]
                parties = Parties(
                    buyer=buyer.address,
                    seller=seller.address,
                    platform=platform.address,
                    provider=self._provider,
                )
        return Work(
            lease=lease,
            command=command,
            steps=steps,
            platform=platform.address,
            signers=signers,
            wallets=wallets,
            parties=parties,
            target=target,
        )

    async def _wallet(
        self, tx: Transaction, command: Command, wallet_id: uuid.UUID, signers: dict[str, Signer]
    ) -> Wallet:
        wallet, sealed = await self._store.wallet(
            tx, marketplace_id=command.marketplace_id, wallet_id=wallet_id
        )
        signers[wallet.address] = self._keyring.wallet(wallet, sealed=sealed)
        return wallet

    async def _advance(self, work: Work, step: Step) -> None:
        """Do one step, or find out what became of it."""
        attempt, is_new = step.in_flight, False
        if attempt is None:
            attempt, is_new = await self._attempt(work, step), True
        if attempt is None:
            await self._skip(work, step)
            return
        try:
            outcome = await self._sender.settle(step, attempt, is_new=is_new)
        except HistoryLost as lost:
            outcome = await self._by_effect(work, step, lost.outcome)
        if outcome.status is OutcomeStatus.SUCCEEDED:
            await self._landed(work, step, attempt, outcome)
        else:
            await self._came_to_nothing(work, step, attempt, outcome)

    async def _attempt(self, work: Work, step: Step) -> Attempt | None:
        """Make an envelope for a step; None: there is nothing left to do."""
        if step.name is StepName.MAKE_GOOD and self._decider.missing(work, step) == 0:
            return None
        slot = await self._sender.lease_channel(work.lease, step)
        known: int | None = None
        for look in range(1, CONFIRMATION_LOOKS + 1):
            intent = await self._decider.intent(work, step)
            if intent is None:
                return None
            try:
                return await self._sender.prepare(
                    work.lease, step, slot=slot, intent=intent, signers=work.signers
                )
            except FeesTooHigh as surge:
                raise NotNow(str(surge), reason=surge.reason) from surge
            except ChainRefused as refused:
                refusal = refused
            if known is None:
                known = await self._known_ledger(work)
            is_confirmed = step.name not in MAY_BE_REFUSED or refusal.at_ledger > known
            if look >= self._sender.refusal_checks and is_confirmed:
                raise _given_up(step, refusal.reason, str(refusal))
            await self._sender.pause()
        raise NotNow(f"a node that lags behind refuses: {refusal}", reason=refusal.reason)

    async def _known_ledger(self, work: Work) -> int:
        """Return the newest ledger that we know is closed: a refusal of an older one is no proof.

        Nodes lag behind each other, and what a step builds on may be in the last ledger.
        """
        landed = 0
        async with self._database.transaction() as tx:
            read = await self._progress.known_ledger(tx)
            if work.command.escrow is not None:
                landed = await self._journal.newest_landed(
                    tx, marketplace_id=work.escrow.marketplace_id, escrow_id=work.escrow.id
                )
        return max(read, landed)

    async def _by_effect(
        self, work: Work, step: Step, outcome: TransactionOutcome
    ) -> TransactionOutcome:
        """Tell what became of an envelope that used its sequence number in a ledger of the past.

        Raises: Contradiction: what the chain shows proves nothing, for money was to move.
        """
        is_shown = await self._is_shown(work, step, outcome.latest_ledger)
        log.warning("escrow.told_by_effect", step=step.name, hash=outcome.hash, shown=is_shown)
        if is_shown is False:
            return replace(outcome, status=OutcomeStatus.FAILED, code=BY_EFFECT)
        if is_shown and step.name in SHOWN_BY_EFFECT:
            return replace(outcome, status=OutcomeStatus.SUCCEEDED, code=BY_EFFECT)
        raise Contradiction("the node no longer keeps the ledgers it may have landed in")

    async def _is_shown(self, work: Work, step: Step, ledger: int) -> bool | None:
        """Tell whether the chain shows what a step is for; None: no look can tell."""
        if step.name in {StepName.PAY, StepName.MAKE_GOOD}:
            return None
        if step.name is StepName.CREATE_ACCOUNT:
            return await self._decider.intent(work, step) is None
        contract_id = work.escrow.contract_id
        if step.name is StepName.DEPLOY:
            return await self._chain.read_escrow(contract_id) is not None
        return calls.is_done(step, view=await self._view_at(contract_id, ledger))

    async def _skip(self, work: Work, step: Step) -> None:
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            await self._journal.end_step(tx, step=step, state=StepState.SKIPPED)

    async def _landed(
        self, work: Work, step: Step, attempt: Attempt, outcome: TransactionOutcome
    ) -> None:
        """Read back what a landed transaction did, and write it down in one transaction."""
        doubt: Contradiction | None = None
        paid = self._paid(work, step, outcome)
        try:
            await self._read_back(work, step, outcome, paid)
        except Contradiction as found:
            doubt = found
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            await self._journal.close_attempt(
                tx, attempt=attempt, state=AttemptState.SUCCEEDED, outcome=outcome
            )
            await self._journal.keep_payments(tx, step=step, paid=paid)
            await self._journal.end_step(
                tx, step=step, state=StepState.SUCCEEDED, used=attempt.prepared
            )
            if work.command.waits:
                await self._progress.goes_on(tx, lease=work.lease)
            if step.name is StepName.CHANGE_MILESTONE_STATUS:
                await self._endings.milestone(tx, work)
        log.info("escrow.step_landed", step=step.name, hash=outcome.hash, ledger=outcome.ledger)
        await self._sender.announce(outcome.hash)
        if doubt is not None:
            raise doubt

    def _paid(self, work: Work, step: Step, outcome: TransactionOutcome) -> list[Payment]:
        named: dict[str, PayeeRole] = {}
        if work.parties is not None:
            named = calls.payees(work.escrow, parties=work.parties)
        return calls.observed(step, outcome=outcome, named=named)

    async def _read_back(
        self, work: Work, step: Step, outcome: TransactionOutcome, paid: Sequence[Payment]
    ) -> None:
        """Compare what the chain shows after a step with what it was for. Raises: Contradiction."""
        if step.name in WITHOUT_CONTRACT:
            return
        escrow, parties = work.escrow, present(work.parties)
        view = await self._view_at(escrow.contract_id, outcome.ledger)
        if step.name is StepName.DEPLOY:
            calls.check_deployed(view, escrow=escrow, parties=parties)
        if not calls.is_done(step, view=view):
            raise Contradiction(f"{step.name} has landed, and the contract does not show it")
        calls.check_paid(step, paid=paid, escrow=escrow, parties=parties)

    async def _view_at(self, contract_id: str, ledger: int) -> EscrowView:
        for _ in range(READ_BACK_LOOKS):
            view = await self._chain.read_escrow(contract_id)
            if view is not None and view.read_at_ledger >= ledger:
                return view
            await self._sender.pause()
        raise ChainUnavailable("the node lags behind a ledger it has told of")

    async def _came_to_nothing(
        self, work: Work, step: Step, attempt: Attempt, outcome: TransactionOutcome
    ) -> None:
        """Write down that an envelope failed on a ledger, or can never land."""
        failed = outcome.status is OutcomeStatus.FAILED
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            state = AttemptState.FAILED if failed else AttemptState.EXPIRED
            await self._journal.close_attempt(
                tx, attempt=attempt, state=state, outcome=outcome if failed else None
            )
            if failed:
                await self._journal.renumber(tx, step=step, used=attempt.prepared)
        log.warning("escrow.attempt_ended", step=step.name, state=state.value, code=outcome.code)
        failures = sum(a.state is AttemptState.FAILED for a in step.attempts)
        if failed and failures + 1 >= LEDGER_FAILURES_MAX:
            raise _given_up(step, "CHAIN_FAILED", outcome.code)


def _given_up(step: Step, reason: str, message: str) -> Refused | NotNow:
    if step.name in MAY_BE_REFUSED:
        return Refused(reason, message)
    # An operator has to send the platform's wallet money, or to look why the contract refuses.
    event = "escrow.platform_cannot_pay" if step.name in PLATFORM_PAYS else "escrow.step_refused"
    log.error(event, step=step.name.value, reason=reason, why=message)
    return NotNow(message, reason=reason)
