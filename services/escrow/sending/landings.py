"""What has landed, by the books; and transactions that the books lack, until they are settled.

The network uses each sequence number of an account once. A number below the account's next one that
no attempt has was used by an envelope that these books have forgotten, or by somebody else.
"""

import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.contracts.evidence import Finding
from services.escrow.contracts.steps import Step
from services.escrow.sending.platform_account import PlatformNumber
from services.escrow.tables import chain_holds, platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Nothing new is sent: the chain has more than the books. unclaimed: what no step claims."""

    why: str
    since: dt.datetime
    unclaimed: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNumber:
    """A channel account and its next sequence number by the books.

    is_leased: a step uses the account; is_signed: the books have an envelope with that number.
    """

    address: str
    next_sequence: int
    is_leased: bool
    is_signed: bool

    def is_explained(self, used: int) -> bool:
        """Tell whether the last number that the chain has used is that of a step in flight."""
        return self.is_leased and self.is_signed and used == self.next_sequence


class Landings:
    """Reads what has landed. Reads and writes findings, and the hold that follows from them."""

    async def deployed_at(
        self, tx: Transaction, *, marketplace_id: uuid.UUID, escrow_id: uuid.UUID
    ) -> int:
        """Return a ledger in which an escrow's contract did not exist yet; 0: none is known."""
        names = {"marketplace": marketplace_id, "escrow": escrow_id}
        return int(await tx.fetchval(_DEPLOYED_AT, names))

    async def numbers(self, tx: Transaction) -> list[ChannelNumber]:
        """Read the channel accounts that are on chain, with their next numbers by the books."""
        return [ChannelNumber(**row._asdict()) for row in await tx.fetch(_NUMBERS)]

    async def platform(self, tx: Transaction) -> PlatformNumber | None:
        """Read the platform account, which creates the channel accounts; None: not created yet."""
        row = await tx.fetchrow(_PLATFORM)
        return None if row is None else PlatformNumber(**row._asdict())

    async def platform_seen(self, tx: Transaction, *, used: int, ledger: int) -> None:
        """Record up to which number the books explain the platform's numbers, as of a ledger."""
        await tx.run(_PLATFORM_SEEN, {"used": used, "ledger": ledger})

    async def are_channels(self, tx: Transaction, addresses: Collection[str]) -> bool:
        """Tell whether all addresses are channel accounts in the books, in any state."""
        known = await tx.fetchval(_COUNT_CHANNELS, {"addresses": list(addresses)})
        return int(known) == len(addresses)

    async def forgotten(self, tx: Transaction, *, source: str, first: int, last: int) -> int:
        """Count the numbers that an account has used, from first to last, and that no attempt has.

        An envelope is stored before it is sent, so complete books have an attempt for each number.
        """
        names = {"source": source, "first": first, "last": last}
        known = int(await tx.fetchval(_KNOWN, names))
        return max(0, last - first + 1 - known)

    async def realign(self, tx: Transaction, *, source: str, used: int, step: Step | None) -> bool:
        """Move a channel account to the number after the last one that the chain has used.

        step: the step that leases the account, None: no step does. Return False if another step
        leases the account, or if the account has moved on.
        """
        names = {"source": source, "used": used, "step": None if step is None else step.id}
        return int(await tx.fetchval(_REALIGN, names)) == 1

    async def newest_signed(self, tx: Transaction, source: str) -> int:
        """Return the newest ledger in which, by the books, an account of ours existed.

        A new account's number begins with the ledger that created it. Source: CAP-1, the network's
        starting sequence number.
        """
        return int(await tx.fetchval(_NEWEST_SIGNED, {"source": source}))

    async def used_before(self, tx: Transaction, source: str, sequence: int) -> int:
        """Return the ledger in which an account used its last known number below the given one.

        Source: as `newest_signed`.
        """
        return int(await tx.fetchval(_USED_BEFORE, {"source": source, "sequence": sequence}))

    async def add_findings(self, tx: Transaction, found: Sequence[Finding]) -> list[Finding]:
        """Store transactions that are no attempts, each once; return those that were stored."""
        kept = []
        for one in found:
            row = {
                "hash": one.hash,
                "source": one.source,
                "sequence": one.sequence,
                "envelope_xdr": one.envelope_xdr,
                "ledger": one.ledger,
                "has_succeeded": one.has_succeeded,
                "bump_hash": one.bump_hash,
            }
            if await tx.run(_ADD_FINDING, row) == 1:
                kept.append(one)
        return kept

    async def unclaimed(self, tx: Transaction, *, with_settled: bool = False) -> list[Finding]:
        """Read findings that have succeeded and belong to no step yet, oldest first.

        with_settled: include findings from before an operator's confirmation.
        """
        rows = await tx.fetch(_UNCLAIMED, {"with_settled": with_settled})
        return [Finding(**row._asdict()) for row in rows]

    async def hold(self, tx: Transaction) -> Hold | None:
        """Read the open hold, or None."""
        row = await tx.fetchrow(_HOLD)
        if row is None:
            return None
        return Hold(why=row.why, since=row.since, unclaimed=await self.unclaimed(tx))

    async def is_held(self, tx: Transaction) -> bool:
        """Tell whether a hold is open."""
        return await tx.fetchrow(_HOLD) is not None

    async def open_hold(self, tx: Transaction, *, why: str) -> bool:
        """Hold everything new until an operator confirms; False: a hold is open already."""
        return await tx.run(_OPEN_HOLD, {"why": why}) == 1

    async def confirm(self, tx: Transaction, *, by: str, why: str) -> bool:
        """End the hold; False: no hold is open."""
        return await tx.run(_CONFIRM, {"by": by, "why": why}) == 1


_IS_OPEN = chain_holds.c.confirmed_at.is_(None)
_HOLD = compiled(sa.select(chain_holds.c.why, chain_holds.c.since).where(_IS_OPEN))
_OPEN_HOLD = "insert into chain_holds (why) values (%(why)s) on conflict do nothing"
_CONFIRM = compiled(
    sa.update(chain_holds)
    .where(_IS_OPEN)
    .values(
        confirmed_at=sa.func.clock_timestamp(),
        confirmed_by=sa.bindparam("by"),
        confirmed_why=sa.bindparam("why"),
    )
)
_PLATFORM = compiled(
    sa.select(platform.c.address, platform.c.last_sequence, platform.c.seen_ledger)
)
# The columns are null until the first look; `greatest` ignores null.
_PLATFORM_SEEN = """
update platform set last_sequence = greatest(last_sequence, %(used)s),
                    seen_ledger = greatest(seen_ledger, %(ledger)s)
"""
_COUNT_CHANNELS = "select count(*) from channels where address = any(%(addresses)s)"
# With the limit, PostgreSQL finds each number by its index; without, it may read all envelopes.
_NUMBERS = """
select h.address, h.next_sequence, h.leased_by is not null as is_leased,
       signed.found is not null as is_signed
from channels h left join lateral (
    select true as found from attempts a
    where a.source = h.address and a.sequence = h.next_sequence limit 1
) signed on true
where h.next_sequence is not null and not h.is_retired
order by h.address
"""
_DEPLOYED_AT = """
select coalesce(min(a.prepared_at_ledger), 0) from commands c
join steps s on s.marketplace_id = c.marketplace_id and s.command_id = c.id
join attempts a on a.step_id = s.id
where c.marketplace_id = %(marketplace)s and c.escrow_id = %(escrow)s and s.name = 'deploy_escrow'
"""
_KNOWN = """
select count(*) from (
    select sequence from attempts
    where source = %(source)s and sequence between %(first)s and %(last)s
    union
    select sequence from findings
    where source = %(source)s and sequence between %(first)s and %(last)s
) known
"""
_REALIGN = """
with moved as (
    update channels set next_sequence = %(used)s::bigint + 1
    where address = %(source)s and leased_by is not distinct from %(step)s::uuid
      and next_sequence <= %(used)s
    returning address, next_sequence
), renumbered as (
    update steps s set source = moved.address, sequence = moved.next_sequence from moved
    where s.id = %(step)s::uuid
)
select count(*) from moved
"""
_NEWEST_SIGNED = """
select greatest(
    coalesce((select max(greatest(prepared_at_ledger, coalesce(ledger, 0)))
              from attempts where source = %(source)s), 0),
    coalesce((select (next_sequence - 1) >> 32 from channels where address = %(source)s), 0),
    coalesce((select seen_ledger from platform where address = %(source)s), 0))
"""
_USED_BEFORE = """
select greatest(%(sequence)s::bigint >> 32, coalesce(max(ledger), 0)) from attempts
where source = %(source)s and sequence < %(sequence)s
"""
_ADD_FINDING = """
insert into findings (hash, source, sequence, envelope_xdr, ledger, has_succeeded, bump_hash)
select %(hash)s, %(source)s, %(sequence)s, %(envelope_xdr)s, %(ledger)s, %(has_succeeded)s,
       %(bump_hash)s
where not exists (select from attempts where hash = %(hash)s)
on conflict do nothing
"""
_UNCLAIMED = """
select f.hash, f.source, f.sequence, f.envelope_xdr, f.ledger, f.has_succeeded, f.bump_hash
from findings f
where f.has_succeeded and not exists (select from attempts a where a.hash = f.hash)
  and (%(with_settled)s or f.found_at >= coalesce(
      (select max(confirmed_at) from chain_holds where confirmed_at is not null), '-infinity'))
order by f.ledger, f.sequence
"""
