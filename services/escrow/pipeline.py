"""Carrying out a command: step after step, each decided anew from the books and the chain.

Nothing is remembered between two steps but what is stored, so a process may die anywhere: the
next one reads the same books and goes on.
"""

import uuid

from chassis.database import Database, Transaction
from services.escrow.calls import Contradiction, Parties
from services.escrow.decide import Decider
from services.escrow.domain import Command, CommandState, Wallet
from services.escrow.endings import Endings
from services.escrow.evidence import TransactionOutcome
from services.escrow.keyring import Keyring
from services.escrow.landing import MAY_BE_REFUSED, Landing, given_up
from services.escrow.ports import (
    ChainRefused,
    EnvelopeRefused,
    FeesTooHigh,
    Signer,
)
from services.escrow.sender import ChannelAhead, NumberUsed, Refused, Sender
from services.escrow.steps import StepName
from services.escrow.store.escrows import EscrowStore
from services.escrow.store.journal import Journal
from services.escrow.store.landings import Landings
from services.escrow.store.progress import Progress
from services.escrow.store.records import Attempt, Lease, Step, StepState
from services.escrow.work import NotNow, Work, present

# How often a refusal is looked at before the node that simulates counts as lagging.
CONFIRMATION_LOOKS = 30


class Pipeline:
    """Carries commands out."""

    def __init__(
        self,
        *,
        database: Database,
        store: EscrowStore,
        journal: Journal,
        progress: Progress,
        landings: Landings,
        landing: Landing,
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
        self._landings = landings
        self._landing = landing
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
            step = work.doubted or work.current
            if step is None:
                return await self._endings.succeed(work)
            try:
                if step.doubt:
                    await self._landing.look_again(work, step)
                else:
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
        if (found := await self._found(step)) is not None:
            await self._landing.settled(work, step, *found)
            return
        attempt, is_new = step.in_flight, False
        if attempt is None:
            attempt, is_new = await self._attempt(work, step), True
        if attempt is None:
            await self._skip(work, step)
            return
        try:
            outcome = await self._sender.settle(step, attempt, is_new=is_new)
        except NumberUsed as used:
            found = await self._sender.ask(step.unproven)
            if found is None:
                found = attempt, await self._landing.by_effect(work, step, used.outcome)
            attempt, outcome = found
        await self._landing.settled(work, step, attempt, outcome)

    async def _found(self, step: Step) -> tuple[Attempt, TransactionOutcome] | None:
        """Return an expired envelope that a ledger has after all, with what it says.

        Where another is in flight under another number, that one is awaited first: both may land.
        """
        in_flight = step.in_flight
        return await self._sender.ask(
            [a for a in step.unproven if in_flight is None or in_flight.slot == a.slot]
        )

    async def _attempt(self, work: Work, step: Step) -> Attempt | None:
        """Make an envelope for a step; None: there is nothing left to do.

        Raises: Contradiction; Refused; NotNow; ChainUnavailable; EnvelopeRefused; LeaseLost.
        """
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
            except ChannelAhead as ahead:
                slot = await self._realigned(work, step, ahead)
                continue
            except FeesTooHigh as surge:
                raise NotNow(str(surge), reason=surge.reason) from surge
            except ChainRefused as refused:
                refusal = refused
            if known is None:
                known = await self._known_ledger(work)
            is_confirmed = step.name not in MAY_BE_REFUSED or refusal.at_ledger > known
            if look >= self._sender.refusal_checks and is_confirmed:
                raise given_up(step, refusal.reason, str(refusal))
            await self._sender.pause()
        raise NotNow(f"a node that lags behind refuses: {refusal}", reason=refusal.reason)

    async def _realigned(self, work: Work, step: Step, ahead: ChannelAhead) -> tuple[str, int]:
        """Move the channel account of a step that has signed nothing to the number the chain shows.

        Raises: Contradiction: it has, and no node finds what; NotNow: the books are behind.
        """
        if step.is_signed:
            raise Contradiction(f"{ahead}, and no envelope of the step is found to have done it")
        return await self._sender.realign(work.lease, step, ahead)

    async def _known_ledger(self, work: Work) -> int:
        """Return the newest ledger that we know is closed: a refusal of an older one is no proof.

        Nodes lag behind each other, and what a step builds on may be in the last ledger.
        """
        landed = 0
        async with self._database.transaction() as tx:
            read = await self._progress.known_ledger(tx)
            if work.command.escrow is not None:
                landed = await self._landings.newest_landed(
                    tx, marketplace_id=work.escrow.marketplace_id, escrow_id=work.escrow.id
                )
        return max(read, landed)

    async def _skip(self, work: Work, step: Step) -> None:
        async with self._database.transaction() as tx:
            await self._journal.fence(tx, work.lease)
            await self._journal.end_step(tx, step=step, state=StepState.SKIPPED)
