"""An operator's decisions on stopped commands: adopt a transaction, or abandon the command.

Neither is taken on trust: the chain is asked before a step or a command ends because of it.
"""

import uuid
from dataclasses import dataclass

from chassis import identity
from chassis.audit import Trail
from chassis.database import Database, Transaction
from chassis.telemetry import logger
from chassis.waiting import Bell
from kernel.errors import FailedPrecondition, NotFound
from services.escrow.commands.store import CommandStore
from services.escrow.domain import Command, CommandEnded, CommandInMotion, CommandState
from services.escrow.operating import lines
from services.escrow.ports import Chain, EnvelopeRefused
from services.escrow.sending.abandonment import has_paid
from services.escrow.sending.journal import Journal
from services.escrow.sending.loading import Loader
from services.escrow.sending.progress import Progress
from services.escrow.sending.recognise import Recogniser
from services.escrow.sending.recovery import Recovery
from services.escrow.sending.work import Work
from services.escrow.wallets.accounts import Accounts

log = logger()


class CommandHasPaid(FailedPrecondition):
    """A step of the command has already moved money, so the command cannot be abandoned."""

    reason = "COMMAND_HAS_PAID"


class TransactionNotFound(NotFound):
    """The node does not know the transaction."""

    reason = "TRANSACTION_NOT_FOUND"


class NotThisStep(FailedPrecondition):
    """The transaction does not match the command's step, or it failed."""

    reason = "TRANSACTION_NOT_THIS_STEP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Who has decided, and the reason."""

    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulings:
    """The use cases of an operator's rulings on commands."""

    database: Database
    store: CommandStore
    journal: Journal
    progress: Progress
    accounts: Accounts
    loader: Loader
    recogniser: Recogniser
    chain: Chain
    recovery: Recovery
    bell: Bell

    async def adopt(
        self,
        *,
        marketplace_id: uuid.UUID,
        command_id: uuid.UUID,
        transaction_hash: str,
        ruling: Ruling,
    ) -> Command:
        """Adopt a landed transaction as a command's step, and go on from it.

        It must do what the step is for, paid for by a channel account of ours. If the step landed
        differently than was meant, naming its own transaction accepts it as it is.
        Raises: CommandNotFound; CommandEnded; CommandInMotion; TransactionNotFound; NotThisStep;
            ChainUnavailable.
        """
        work = await self._stopped(marketplace_id, command_id)
        doubted = work.doubted
        if doubted is not None:
            landed = doubted.landed
            if landed is None or not landed.is_named(transaction_hash):
                raise NotThisStep(f"{doubted.name.value} has landed with another transaction")
            async with self.database.transaction() as tx:
                await self.journal.clear_doubt(tx, doubted)
                await _note_adopted(tx, work, transaction_hash, ruling)
        else:
            await self._adopt(work, transaction_hash, ruling)
        return await self._go_on(work, "escrow.transaction_adopted", ruling, transaction_hash)

    async def abandon(
        self, *, marketplace_id: uuid.UUID, command_id: uuid.UUID, ruling: Ruling
    ) -> Command:
        """Let the worker end a command, if it finds proof that nothing of it has landed.

        Raises: CommandNotFound; CommandEnded; CommandInMotion; CommandHasPaid.
        """
        work = await self._stopped(marketplace_id, command_id)
        if has_paid(work):
            raise CommandHasPaid("A step of the command has moved money")
        why = f"abandoned by {ruling.by}: {ruling.why}"
        async with self.database.transaction() as tx:
            await self.progress.abandon(tx, lease=work.lease, why=why)
            after = {"isAbandoned": True, "why": ruling.why}
            change = lines.about_command("abandon", command_id, {"isAbandoned": False}, after)
            await Trail().record(tx, change, marketplace_id=marketplace_id)
        return await self._go_on(work, "escrow.command_abandoned", ruling, "")

    async def confirm(self, ruling: Ruling) -> None:
        """Let sending begin again after a hold.

        Raises: NothingHeld; ChainUnavailable.
        """
        await self.recovery.confirm(by=ruling.by, why=ruling.why)

    async def _stopped(self, marketplace_id: uuid.UUID, command_id: uuid.UUID) -> Work:
        """Read a command that is quarantined or waits.

        Raises: CommandNotFound; CommandEnded; CommandInMotion: it is being carried out.
        """
        async with self.database.transaction() as tx:
            work = await self.loader.look(tx, marketplace_id=marketplace_id, command_id=command_id)
        command = work.command
        if command.state in {CommandState.SUCCEEDED, CommandState.FAILED}:
            raise CommandEnded("The command has ended", details={"state": command.state.value})
        if command.state is CommandState.RUNNING and not command.waits:
            raise CommandInMotion(
                "The command is in progress; wait until it is quarantined or waits"
            )
        return work

    async def _adopt(self, work: Work, transaction_hash: str, ruling: Ruling) -> None:
        step = work.current
        try:
            found = await self.chain.find(transaction_hash)
        except EnvelopeRefused as foreign:
            raise NotThisStep(f"The transaction is not one of ours: {foreign}") from foreign
        if found is None:
            raise TransactionNotFound("The node does not find the transaction")
        if step is None or not found.has_succeeded:
            raise NotThisStep("The transaction failed, or the command has no step left to do")
        async with self.database.transaction() as tx:
            is_ours = await self.accounts.is_channel(tx, found.source)
        if not is_ours or not self.recogniser.is_of(work, step, found.envelope_xdr):
            raise NotThisStep(f"The transaction is not what {step.name.value} is for")
        attempt = self.recogniser.attempt(step, found)
        async with self.database.transaction() as tx:
            if not await self.journal.adopt(tx, step=step, attempt=attempt):
                raise NotThisStep("The transaction is another step's")
            await _note_adopted(tx, work, transaction_hash, ruling)

    async def _go_on(self, work: Work, event: str, ruling: Ruling, name: str) -> Command:
        marketplace_id, command_id = work.lease.marketplace_id, work.lease.id
        async with self.database.transaction() as tx:
            await self.progress.requeue(tx, marketplace_id=marketplace_id, command_id=command_id)
            command = await self.store.command(
                tx, marketplace_id=marketplace_id, command_id=command_id
            )
        log.warning(
            event,
            command_id=str(command_id),
            hash=name,
            by=ruling.by,
            why=ruling.why,
            caller=identity.current().caller,
        )
        self.bell.ring()
        return command


async def _note_adopted(tx: Transaction, work: Work, transaction_hash: str, ruling: Ruling) -> None:
    after = {"transactionHash": transaction_hash, "why": ruling.why}
    change = lines.about_command("adopt", work.lease.id, {}, after)
    await Trail().record(tx, change, marketplace_id=work.lease.marketplace_id)
