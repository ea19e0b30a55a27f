"""How commands wait, go on, and are set going again by an operator; what is of concern to one.

`put_off` and `goes_on` are for whoever holds the lease, after `Journal.fence`.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from chassis.database import Transaction
from services.escrow.contracts.steps import Step
from services.escrow.domain import CommandNotFound, CommandState
from services.escrow.sending.journal import is_leased
from services.escrow.sending.lease import Lease
from services.escrow.tables import commands, cursors, unreadable_transfers

# So many of each kind are listed, the oldest first: where there are more, something is broken.
LISTED_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOfConcern:
    """A command that is quarantined, waits, or runs for long.

    since: the beginning of its wait, else of all.
    """

    id: uuid.UUID
    kind: str
    state: str
    step: str
    reason: str
    message: str
    account: str
    waits: int
    since: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAside:
    """A transfer whose record was refused. to_address: "" where it could not be read."""

    event_id: str
    transaction_hash: str
    ledger: int
    to_address: str
    why: str


class Progress:
    """Reads and writes how far commands are from going on."""

    async def put_off(
        self,
        tx: Transaction,
        *,
        lease: Lease,
        seconds: int,
        reason: str,
        message: str,
        is_trouble: bool | None = False,
    ) -> None:
        """Let the command rest before anybody takes it again, and say why.

        is_trouble: it is measured for how long it has been so; a wait that is in order ends that.
        """
        pause = sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        now = sa.func.clock_timestamp()
        since = sa.func.coalesce(commands.c.waiting_since, now)
        troubled = {
            True: sa.func.coalesce(commands.c.troubled_since, now),
            False: None,
            None: commands.c.troubled_since,
        }[is_trouble]
        await tx.execute(
            sa.update(commands)
            .where(is_leased(lease))
            .values(
                lease_until=sa.text("'epoch'"),
                next_attempt_at=now + pause,
                waits=commands.c.waits + (0 if is_trouble is None else 1),
                waiting_since=since,
                troubled_since=troubled,
                error_reason=reason,
                error_message=message,
            )
        )

    async def goes_on(self, tx: Transaction, *, lease: Lease) -> None:
        """Forget that the command waited: what it waited for has happened."""
        await tx.execute(sa.update(commands).where(is_leased(lease)).values(_CLEARED))

    async def is_own_trouble(
        self, tx: Transaction, *, lease: Lease, step: Step, seconds: int, is_answered: bool
    ) -> bool:
        """Tell whether a command has been in trouble for so long, and it alone.

        It alone: it was answered, or another command's step of that name got as far as an envelope
        within that time.
        """
        names = {
            "marketplace": lease.marketplace_id,
            "command": lease.command_id,
            "step": step.id,
            "name": step.name.value,
            "seconds": seconds,
            "is_answered": is_answered,
        }
        return bool((await tx.execute(_OWN_TROUBLE, names)).scalar_one())

    async def wake(self, tx: Transaction, *, reason: str) -> None:
        """Make commands that wait for a reason due now."""
        waiting = sa.and_(
            commands.c.state == CommandState.RUNNING, commands.c.error_reason == reason
        )
        now = sa.text("'epoch'")
        await tx.execute(sa.update(commands).where(waiting).values(next_attempt_at=now))

    async def known_ledger(self, tx: Transaction) -> int:
        """Return a ledger that is closed: the one the watcher's cursor is in; 0: none is known."""
        found = (await tx.execute(sa.select(sa.func.max(cursors.c.position)))).scalar_one()
        return 0 if found is None else int(found.partition("-")[0]) >> 32

    async def requeue(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> CommandState:
        """Make a quarantined or waiting command due now; returns the state that it had.

        Its steps keep their channel accounts, sequence numbers and envelopes. One that has ended,
        or is under a lease, is left alone. Raises: CommandNotFound.
        """
        its = sa.and_(commands.c.marketplace_id == marketplace_id, commands.c.id == command_id)
        chosen = sa.select(commands.c.state).where(its).with_for_update()
        found = (await tx.execute(chosen)).scalar_one_or_none()
        if found is None:
            raise CommandNotFound("There is no such command")
        before = CommandState(found)
        if before is CommandState.QUARANTINED:
            anew = {
                "state": CommandState.RUNNING,
                "lease_until": sa.text("'epoch'"),
                "quarantined_at": None,
                **_CLEARED,
            }
            await tx.execute(sa.update(commands).where(its).values(anew))
        if before in {CommandState.QUARANTINED, CommandState.RUNNING}:
            now = sa.text("'epoch'")
            await tx.execute(sa.update(commands).where(its).values(next_attempt_at=now))
        return before

    async def abandon(self, tx: Transaction, *, lease: Lease, why: str) -> None:
        """Write that an operator has ruled that a command shall end."""
        statement = sa.update(commands).where(is_leased(lease))
        await tx.execute(statement.values(abandoned_why=why))

    async def commands_of_concern(
        self, tx: Transaction, *, marketplace_id: uuid.UUID
    ) -> list[CommandOfConcern]:
        """List commands that are quarantined, then those that wait or run for long, oldest first.

        However many wait, because their flow is stopped, none hides one that is quarantined.
        """
        rows = await tx.execute(_CONCERNS, {"marketplace": marketplace_id, "size": LISTED_MAX})
        return [CommandOfConcern(**row) for row in rows.mappings()]

    async def transfers_aside(
        self, tx: Transaction, *, marketplace_id: uuid.UUID
    ) -> list[TransferAside]:
        """List transfers that were put aside, to wallets of a marketplace or to nobody known."""
        table = unreadable_transfers.c
        chosen = (
            sa.select(
                table.event_id, table.transaction_hash, table.ledger, table.to_address, table.why
            )
            .where(sa.or_(table.marketplace_id == marketplace_id, table.marketplace_id.is_(None)))
            .order_by(table.event_id)
            .limit(LISTED_MAX)
        )
        return [TransferAside(**row) for row in (await tx.execute(chosen)).mappings()]


_CLEARED = {
    "waits": 0,
    "waiting_since": None,
    "troubled_since": None,
    "error_reason": "",
    "error_message": "",
}
_OWN_TROUBLE = sa.text("""
select c.troubled_since <= clock_timestamp() - make_interval(secs => :seconds)
   and (cast(:is_answered as boolean) or exists (
        select 1 from attempts a join steps s on s.id = a.step_id
        where a.created_at > clock_timestamp() - make_interval(secs => :seconds)
          and s.name = :name and s.id <> :step)) is true
from commands c where c.marketplace_id = :marketplace and c.id = :command
""")
# Each reason from its own index; of all of a marketplace's commands, few are of concern.
_CONCERNS = sa.text("""
select c.id, c.kind, c.state, c.error_reason as reason, c.error_message as message, c.waits,
       coalesce(c.waiting_since, c.created_at) as since,
       coalesce('escrow:' || e.order_id, 'user:' || w.user_id) as account,
       coalesce((select s.name from steps s
                 where s.marketplace_id = c.marketplace_id and s.command_id = c.id
                   and s.state = 'PLANNED' order by s.position limit 1), '') as step
from (
    (select id from commands
     where marketplace_id = :marketplace and (state = 'QUARANTINED' or waiting_since is not null)
     order by state = 'QUARANTINED' desc, created_at limit :size)
    union
    (select id from commands
     where marketplace_id = :marketplace and state = 'RUNNING'
       and created_at < clock_timestamp() - interval '10 minutes'
     order by created_at limit :size)
) as found
join commands c on c.marketplace_id = :marketplace and c.id = found.id
left join escrows e on e.marketplace_id = c.marketplace_id and e.id = c.escrow_id
left join wallets w on w.marketplace_id = c.marketplace_id and w.id = c.wallet_id
order by c.state = 'QUARANTINED' desc, c.created_at limit :size
""")
