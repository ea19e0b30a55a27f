"""Lists what needs an operator, and retries commands for operators.

Nothing is decided here: the worker decides on a retried command from the books and the chain.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chassis import identity, published
from chassis.audit import Trail
from chassis.database import Database
from chassis.telemetry import logger
from chassis.waiting import Bell
from services.escrow.commands.store import CommandStore
from services.escrow.deposits.foreign_store import ForeignChange, ForeignChanges
from services.escrow.deposits.store import Blindness, Deposits, TransferAside
from services.escrow.domain import Command, CommandEnded, CommandState
from services.escrow.operating import lines
from services.escrow.sending.landings import Hold, Landings
from services.escrow.sending.progress import CommandOfConcern, Progress

log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """What needs an operator: quarantined commands, then waiting ones, each oldest first.

    changes: of orders' contracts, by transactions that are not ours; hold: why nothing new is sent;
    blindness: why deposits are not seen. The last two concern all marketplaces. oldest_event_at: of
    the marketplace's events that are not published yet; None: all are published.
    """

    commands: Sequence[CommandOfConcern]
    transfers: Sequence[TransferAside]
    changes: Sequence[ForeignChange]
    hold: Hold | None
    blindness: Blindness | None
    oldest_event_at: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """The operator's use cases. asset_contract: of the asset whose deposits are watched."""

    database: Database
    store: CommandStore
    progress: Progress
    landings: Landings
    deposits: Deposits
    foreign: ForeignChanges
    bell: Bell
    asset_contract: str

    async def requeue(self, *, marketplace_id: uuid.UUID, command_id: uuid.UUID) -> Command:
        """Make a quarantined command, or one that waits, due now.

        Its channel account, sequence number and envelopes stay as they are. A running command is
        not changed. Raises: CommandNotFound; CommandEnded.
        """
        async with self.database.transaction() as tx:
            before = await self.progress.requeue(
                tx, marketplace_id=marketplace_id, command_id=command_id
            )
            if before in {CommandState.SUCCEEDED, CommandState.FAILED}:
                raise CommandEnded("The command has ended", details={"state": before.value})
            found = await self.store.command(
                tx, marketplace_id=marketplace_id, command_id=command_id
            )
            change = lines.about_command(
                "requeue", command_id, {"state": before.value}, {"state": found.state.value}
            )
            await Trail().record(tx, change, marketplace_id=marketplace_id)
        log.warning(
            "escrow.command_requeued",
            command_id=str(command_id),
            before=before.value,
            caller=identity.current().caller,
        )
        self.bell.ring()
        return found

    async def concerns(self, *, marketplace_id: uuid.UUID) -> Concerns:
        """List what is quarantined, waits or was set aside, and what others have done."""
        async with self.database.transaction() as tx:
            return Concerns(
                commands=await self.progress.commands_of_concern(tx, marketplace_id=marketplace_id),
                transfers=await self.deposits.transfers_aside(tx, marketplace_id=marketplace_id),
                changes=await self.foreign.open_ones(tx, marketplace_id=marketplace_id),
                hold=await self.landings.hold(tx),
                blindness=await self.deposits.blindness(tx, self.asset_contract),
                oldest_event_at=await published.oldest(tx, marketplace_id),
            )
