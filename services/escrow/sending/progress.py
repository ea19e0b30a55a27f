"""Commands that wait: their troubles, their restart by operators, and the list of them."""

import datetime as dt
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.leases import Lease
from chassis.sql import compiled
from services.escrow.contracts.steps import Step
from services.escrow.domain import CommandNotFound, CommandState
from services.escrow.tables import commands

# At most this many of each kind are listed, oldest first. More mean that something is broken.
LISTED_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOfConcern:
    """A command that is quarantined, waits, or runs for long.

    since: when its wait began, or else when the command began.
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


class Progress:
    """Reads what blocks commands, and makes commands due again."""

    async def is_own_trouble(
        self, tx: Transaction, *, lease: Lease, step: Step, seconds: int, is_answered: bool
    ) -> bool:
        """Tell whether a command has been in trouble for the given time, and is alone with it.

        It is alone if the provider answered it, or if another command's step of that name got as
        far as an envelope within that time.
        """
        names = {
            "marketplace": lease.marketplace_id,
            "command": lease.id,
            "step": step.id,
            "name": step.name.value,
            "seconds": seconds,
            "is_answered": is_answered,
        }
        return bool(await tx.fetchval(_OWN_TROUBLE, names))

    async def wake(self, tx: Transaction, *, reason: str) -> None:
        """Make commands that wait for a reason due now."""
        await tx.run(_WAKE, {"reason": reason})

    async def requeue(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, command_id: uuid.UUID
    ) -> CommandState:
        """Make a quarantined or waiting command due now; return the state that it had.

        Its steps keep their channel accounts, sequence numbers and envelopes. A command that has
        ended is not changed; a leased one goes on under its lease. Raises: CommandNotFound.
        """
        names = {"marketplace_id": marketplace_id, "id": command_id}
        found = await tx.fetchval(_LOCK, names)
        if found is None:
            raise CommandNotFound("Command not found")
        before = CommandState(found)
        if before is CommandState.QUARANTINED:
            await tx.run(_BEGIN_ANEW, names)
        elif before is CommandState.RUNNING:
            await tx.run(_END_REST, names)
        return before

    async def abandon(self, tx: Transaction, *, lease: Lease, why: str) -> None:
        """Record an operator's ruling that a command shall end."""
        names = {"marketplace_id": lease.marketplace_id, "id": lease.id, "why": why}
        await tx.run(_ABANDON, names)

    async def commands_of_concern(
        self, tx: Transaction, *, marketplace_id: uuid.UUID
    ) -> list[CommandOfConcern]:
        """List quarantined commands, then commands that wait or run for long, oldest first.

        However many commands wait because their flow is stopped, they do not hide a quarantined
        one.
        """
        rows = await tx.fetch(_CONCERNS, {"marketplace": marketplace_id, "size": LISTED_MAX})
        return [CommandOfConcern(**row._asdict()) for row in rows]


_IS_IT = sa.and_(
    commands.c.marketplace_id == sa.bindparam("marketplace_id"),
    commands.c.id == sa.bindparam("id"),
)
_AT_ONCE = sa.text("'epoch'")
_LOCK = compiled(sa.select(commands.c.state).where(_IS_IT).with_for_update())
_END_REST = compiled(sa.update(commands).where(_IS_IT).values(next_attempt_at=_AT_ONCE))
_BEGIN_ANEW = compiled(
    sa.update(commands)
    .where(_IS_IT)
    .values(
        state=CommandState.RUNNING,
        lease_until=_AT_ONCE,
        next_attempt_at=_AT_ONCE,
        quarantined_at=None,
        waits=0,
        waiting_since=None,
        troubled_since=None,
        error_reason="",
        error_message="",
    )
)
_ABANDON = compiled(sa.update(commands).where(_IS_IT).values(abandoned_why=sa.bindparam("why")))
_WAKE = compiled(
    sa.update(commands)
    .where(
        commands.c.state == CommandState.RUNNING,
        commands.c.error_reason == sa.bindparam("reason"),
    )
    .values(next_attempt_at=_AT_ONCE)
)
_OWN_TROUBLE = """
select c.troubled_since <= clock_timestamp() - make_interval(secs => %(seconds)s)
   and (%(is_answered)s::boolean or exists (
        select 1 from attempts a join steps s on s.id = a.step_id
        where a.created_at > clock_timestamp() - make_interval(secs => %(seconds)s)
          and s.name = %(name)s and s.id <> %(step)s)) is true
from commands c where c.marketplace_id = %(marketplace)s and c.id = %(command)s
"""
# Each reason is read from its own index: few of a marketplace's commands are of concern.
_CONCERNS = """
select c.id, c.kind, c.state, c.error_reason as reason, c.error_message as message, c.waits,
       coalesce(c.waiting_since, c.created_at) as since,
       coalesce('escrow:' || e.order_id, 'user:' || w.user_id) as account,
       coalesce((select s.name from steps s
                 where s.marketplace_id = c.marketplace_id and s.command_id = c.id
                   and s.state = 'PLANNED' order by s.position limit 1), '') as step
from (
    (select id from commands
     where marketplace_id = %(marketplace)s and (state = 'QUARANTINED' or waiting_since is not null)
     order by state = 'QUARANTINED' desc, created_at limit %(size)s)
    union
    (select id from commands
     where marketplace_id = %(marketplace)s and state = 'RUNNING'
       and created_at < clock_timestamp() - interval '10 minutes'
     order by created_at limit %(size)s)
) as found
join commands c on c.marketplace_id = %(marketplace)s and c.id = found.id
left join escrows e on e.marketplace_id = c.marketplace_id and e.id = c.escrow_id
left join wallets w on w.marketplace_id = c.marketplace_id and w.id = c.wallet_id
order by c.state = 'QUARANTINED' desc, c.created_at limit %(size)s
"""
