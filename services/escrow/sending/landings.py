"""What has landed, by the books; and what the chain has that the books lack, until it is settled.

The network uses each sequence number of an account once. A number below the account's next one
that no attempt has was used by an envelope that these books have forgotten, or by another's hand.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from services.escrow.contracts.evidence import Finding
from services.escrow.contracts.steps import Step, StepName, StepState
from services.escrow.tables import chain_holds, channels, commands, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing new is sent: the chain has what the books lack. unclaimed: what no step claims."""

    why: str
    since: dt.datetime
    unclaimed: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNumber:
    """A channel account and its next sequence number by the books. is_leased: a step has it."""

    address: str
    next_sequence: int
    is_leased: bool


class Landings:
    """Reads what has landed; reads and writes what was found and the hold because of it."""

    async def was_frozen_by_us(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> bool:
        """Tell whether a dispute of ours has landed on an escrow."""
        chosen = (
            sa.select(steps.c.id)
            .join(
                commands,
                sa.and_(
                    commands.c.marketplace_id == steps.c.marketplace_id,
                    commands.c.id == steps.c.command_id,
                ),
            )
            .where(
                commands.c.marketplace_id == marketplace_id,
                commands.c.escrow_id == escrow_id,
                steps.c.name == StepName.DISPUTE,
                steps.c.state == StepState.SUCCEEDED,
            )
            .limit(1)
        )
        return (await tx.execute(chosen)).first() is not None

    async def newest_landed(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> int:
        """Return the newest ledger that has a transaction of an escrow; 0: none has."""
        names = {"marketplace": marketplace_id, "escrow": escrow_id}
        return int((await tx.execute(_NEWEST_LANDED, names)).scalar_one())

    async def deployed_at(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> int:
        """Return a ledger before which an escrow's contract was not there; 0: none is known."""
        names = {"marketplace": marketplace_id, "escrow": escrow_id}
        return int((await tx.execute(_DEPLOYED_AT, names)).scalar_one())

    async def numbers(self, tx: Transaction) -> list[ChannelNumber]:
        """Read the channel accounts that are on chain, with their next numbers by the books."""
        chosen = (
            sa.select(channels.c.address, channels.c.next_sequence, channels.c.leased_by)
            .where(channels.c.next_sequence.is_not(None), channels.c.is_retired.is_(False))
            .order_by(channels.c.address)
        )
        return [
            ChannelNumber(
                address=row.address,
                next_sequence=row.next_sequence,
                is_leased=row.leased_by is not None,
            )
            for row in await tx.execute(chosen)
        ]

    async def forgotten(self, tx: Transaction, *, source: str, first: int, last: int) -> int:
        """Count the used numbers of an account, from the first to the last, that no attempt has.

        An envelope is stored before it is sent, so that the books have each, if they are whole.
        """
        names = {"source": source, "first": first, "last": last}
        known = int((await tx.execute(_KNOWN, names)).scalar_one())
        return max(0, last - first + 1 - known)

    async def realign(self, tx: Transaction, *, source: str, used: int, step: Step | None) -> bool:
        """Move a channel account past the number that the chain has used, as the chain shows it.

        step: who has it leased, None: nobody. False: somebody else has it, or it has moved on.
        """
        holder = channels.c.leased_by.is_(None) if step is None else channels.c.leased_by == step.id
        moved = await tx.execute(
            sa.update(channels)
            .where(channels.c.address == source, holder, channels.c.next_sequence <= used)
            .values(next_sequence=used + 1)
        )
        if moved.rowcount and step is not None:
            statement = sa.update(steps).where(steps.c.id == step.id)
            await tx.execute(statement.values(source=source, sequence=used + 1))
        return bool(moved.rowcount == 1)

    async def newest_signed(self, tx: Transaction, source: str) -> int:
        """Return the newest ledger in which the books know a channel account to be.

        A new account's number begins with the ledger that made it. Source: CAP-1, the network's
        starting sequence number.
        """
        return int((await tx.execute(_NEWEST_SIGNED, {"source": source})).scalar_one())

    async def used_before(self, tx: Transaction, source: str, sequence: int) -> int:
        """Return the ledger in which an account used its last known number below one.

        Source: as `newest_signed`.
        """
        names = {"source": source, "sequence": sequence}
        return int((await tx.execute(_USED_BEFORE, names)).scalar_one())

    async def add_findings(self, tx: Transaction, found: Sequence[Finding]) -> list[Finding]:
        """Keep transactions that no attempt was, each once; returns those that were kept."""
        kept = []
        for one in found:
            row = {
                "hash": one.hash,
                "source": one.source,
                "sequence": one.sequence,
                "envelope_xdr": one.envelope_xdr,
                "ledger": one.ledger,
                "has_succeeded": one.has_succeeded,
            }
            if (await tx.execute(_ADD_FINDING, row)).first() is not None:
                kept.append(one)
        return kept

    async def unclaimed(self, tx: Transaction, *, with_settled: bool = False) -> list[Finding]:
        """Read what was found, has succeeded, and is no step's yet, oldest first.

        with_settled: what was found before an operator confirmed too.
        """
        rows = await tx.execute(_UNCLAIMED, {"with_settled": with_settled})
        return [Finding(**row) for row in rows.mappings()]

    async def has_unclaimed(self, tx: Transaction) -> bool:
        """Tell whether something was found that is no step's, settled or not."""
        return bool((await tx.execute(_HAS_UNCLAIMED)).scalar_one())

    async def hold(self, tx: Transaction) -> Hold | None:
        """Read the hold that is open; None: there is none."""
        chosen = sa.select(chain_holds).where(chain_holds.c.confirmed_at.is_(None))
        row = (await tx.execute(chosen)).first()
        if row is None:
            return None
        return Hold(why=row.why, since=row.since, unclaimed=await self.unclaimed(tx))

    async def is_held(self, tx: Transaction) -> bool:
        """Tell whether nothing new may be sent."""
        chosen = sa.select(chain_holds.c.id).where(chain_holds.c.confirmed_at.is_(None))
        return (await tx.execute(chosen)).first() is not None

    async def open_hold(self, tx: Transaction, *, why: str) -> bool:
        """Let nothing new be sent until an operator confirms; False: a hold is open already."""
        statement = insert(chain_holds).values(why=why).on_conflict_do_nothing()
        return (await tx.execute(statement.returning(chain_holds.c.id))).first() is not None

    async def confirm(self, tx: Transaction, *, by: str, why: str) -> bool:
        """End the hold; False: there is none."""
        ended = await tx.execute(
            sa.update(chain_holds)
            .where(chain_holds.c.confirmed_at.is_(None))
            .values(confirmed_at=sa.func.clock_timestamp(), confirmed_by=by, confirmed_why=why)
        )
        return bool(ended.rowcount == 1)


_NEWEST_LANDED = sa.text("""
select coalesce(max(a.ledger), 0) from commands c
join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
join attempts a on a.step_id = s.id
where c.marketplace_id = :marketplace and c.escrow_id = :escrow
""")
_DEPLOYED_AT = sa.text("""
select coalesce(min(a.prepared_at_ledger), 0) from commands c
join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
join attempts a on a.step_id = s.id
where c.marketplace_id = :marketplace and c.escrow_id = :escrow and s.name = 'deploy_escrow'
""")
_KNOWN = sa.text("""
select count(*) from (
    select sequence from attempts where source = :source and sequence between :first and :last
    union select sequence from findings where source = :source and sequence between :first and :last
) known
""")
_ADD_FINDING = sa.text("""
insert into findings (hash, source, sequence, envelope_xdr, ledger, has_succeeded)
select :hash, :source, :sequence, :envelope_xdr, :ledger, :has_succeeded
where not exists (select from attempts where hash = :hash)
on conflict do nothing returning hash
""")
_NEWEST_SIGNED = sa.text("""
select greatest(
    coalesce((select max(greatest(prepared_at_ledger, coalesce(ledger, 0)))
              from attempts where source = :source), 0),
    coalesce((select (next_sequence - 1) >> 32 from channels where address = :source), 0))
""")
_UNCLAIMED = sa.text("""
select f.hash, f.source, f.sequence, f.envelope_xdr, f.ledger, f.has_succeeded from findings f
where f.has_succeeded and not exists (select from attempts a where a.hash = f.hash)
  and (:with_settled or f.found_at >= coalesce(
      (select max(confirmed_at) from chain_holds where confirmed_at is not null), '-infinity'))
order by f.ledger, f.sequence
""")
_USED_BEFORE = sa.text("""
select greatest(cast(:sequence as bigint) >> 32, coalesce(max(ledger), 0)) from attempts
where source = :source and sequence < :sequence
""")
_HAS_UNCLAIMED = sa.text("""
select exists (select from findings f
    where f.has_succeeded and not exists (select from attempts a where a.hash = f.hash))
""")
