"""The books of a marketplace in PostgreSQL: sum them in a snapshot, and store the result."""

import datetime as dt
from dataclasses import asdict

import orjson

from chassis import published
from chassis.database import Connection, Transaction
from kernel.ids import MarketplaceId
from services.ledger.book import SUSPENSE, Invariant
from services.ledger.books.domain import AssetMoney, Checked, Known

# The pause after a check is this many times the check's duration, so checks never take more than a
# twentieth of a connection's time.
PAUSES = 20
PAUSE_SECONDS_MIN = 1


class BooksStore:
    """Sums the money of a marketplace; reads and writes the results of checks."""

    async def money(self, tx: Transaction, marketplace_id: MarketplaceId) -> list[AssetMoney]:
        """Sum the money by asset. Reads all accounts of the marketplace; not for requests."""
        rows = await tx.fetch(_MONEY, {"marketplace_id": marketplace_id})
        return [AssetMoney(**row._asdict()) for row in rows]

    async def now(self, tx: Transaction) -> dt.datetime:
        """Return the time at which the transaction began."""
        at: dt.datetime = await tx.fetchval("select now()")
        return at

    async def keep(self, tx: Transaction, marketplace_id: MarketplaceId, found: Checked) -> None:
        """Store the result of a check, unless the result of a later check is stored."""
        values = {
            "marketplace_id": marketplace_id,
            "checked_at": found.at,
            "took_milliseconds": found.took_milliseconds,
            "money": orjson.dumps([asdict(one) for one in found.money]).decode(),
            "invariants": orjson.dumps([asdict(one) for one in found.invariants]).decode(),
        }
        await tx.run(_KEEP, values)

    async def known(self, connection: Connection, marketplace_id: MarketplaceId) -> Known:
        """Read the last check, whether a new one is due, and the oldest unpublished event."""
        values = {
            "marketplace_id": marketplace_id,
            "pauses": PAUSES,
            "least_seconds": PAUSE_SECONDS_MIN,
        }
        row = await connection.fetchrow(_KNOWN, values)
        oldest = await published.oldest(connection, marketplace_id)
        if row is None:
            return Known(checked=None, is_due=True, oldest_event_at=oldest)
        checked = Checked(
            at=row.checked_at,
            took_milliseconds=row.took_milliseconds,
            money=[AssetMoney(**one) for one in orjson.loads(row.money)],
            invariants=[Invariant(**one) for one in orjson.loads(row.invariants)],
        )
        return Known(checked=checked, is_due=row.is_due, oldest_event_at=oldest)


_MONEY = f"""
with of_accounts as (
    select asset,
           coalesce(sum(credits - debits - holds) filter (where kind = 'user'), 0) as available,
           coalesce(sum(holds) filter (where kind = 'user'), 0) as reserved,
           coalesce(sum(credits - debits) filter (where kind = 'escrow'), 0) as in_escrow
    from accounts where marketplace_id = %(marketplace_id)s group by asset
), of_suspense as (
    select asset, sum(available_change) as in_suspense
    from entries where marketplace_id = %(marketplace_id)s and account = '{SUSPENSE}'
    group by asset
)
select asset, available::bigint, reserved::bigint, in_escrow::bigint,
       coalesce(in_suspense, 0)::bigint as in_suspense
from of_accounts left join of_suspense using (asset) order by asset
"""  # noqa: S608 - joined from constants of this file
_KEEP = """
insert into books as b (marketplace_id, checked_at, took_milliseconds, money, invariants)
values (%(marketplace_id)s, %(checked_at)s, %(took_milliseconds)s, %(money)s, %(invariants)s)
on conflict (marketplace_id) do update set
    checked_at = excluded.checked_at, took_milliseconds = excluded.took_milliseconds,
    money = excluded.money, invariants = excluded.invariants
where b.checked_at < excluded.checked_at
"""
_KNOWN = """
select checked_at, took_milliseconds, money, invariants,
       checked_at + make_interval(secs => greatest(
           %(least_seconds)s, %(pauses)s * took_milliseconds / 1000)) <= clock_timestamp() as is_due
from books where marketplace_id = %(marketplace_id)s
"""
