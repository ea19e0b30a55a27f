"""How far the comparison of ledger and chain has come, and what it found, in Postgres."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from chassis.database import Transaction, driver
from services.orders.reconciliation.holdings import Difference, Found, Place, Reconciliation

# Long enough for what was under way to end.
CONFIRMED_SECONDS = 30
SHOWN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceStore:
    """Rows of reconciliation and differences. One process writes them at a time.

    confirmed_seconds: seen for so long with the same figures, a difference is one.
    """

    confirmed_seconds: int = CONFIRMED_SECONDS

    async def place(self, tx: Transaction) -> Place:
        """Return how far the comparison has come."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=class_row(Place))
        found = await (await cursor.execute(_PLACE)).fetchone()
        if found is None:
            raise LookupError("the row of the comparison is missing")
        return found

    async def move(self, tx: Transaction, place: Place) -> None:
        """Write how far it has come; now is when it looked last."""
        values = (place.marketplace_id, place.side, place.page_token, place.accounts)
        await (await driver(tx)).execute(_MOVE, values)

    async def end_round(self, tx: Transaction) -> None:
        """Begin anew, and forget differences of accounts that the round did not come upon."""
        connection = await driver(tx)
        await connection.execute(_FORGET)
        await connection.execute(_END_ROUND)

    async def next_marketplace(self, tx: Transaction, after: uuid.UUID) -> uuid.UUID | None:
        """Return the next marketplace with users; None: there is none after this."""
        cursor = await (await driver(tx)).execute(_NEXT, (after,))
        row = await cursor.fetchone()
        return uuid.UUID(str(row[0])) if row else None

    async def record(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        compared: Collection[str],
        differing: Sequence[Difference],
    ) -> list[tuple[Difference, bool]]:
        """Keep what differs of the accounts compared; returns each, and whether it is confirmed."""
        connection = await driver(tx)
        await connection.execute(
            _AGREE, (marketplace_id, list(compared), [one.account for one in differing])
        )
        found = []
        for one in sorted(differing, key=lambda each: each.account):
            values = (marketplace_id, one.account, one.ledger, one.chain)
            cursor = await connection.execute(_DIFFER, (*values, self.confirmed_seconds))
            row = await cursor.fetchone()
            found.append((one, row is not None and row[0] is True))
        return found

    async def known(self, tx: Transaction) -> Reconciliation:
        """Return what is known over all marketplaces."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=class_row(Reconciliation))
        found = await (await cursor.execute(_KNOWN, (self.confirmed_seconds,))).fetchone()
        if found is None:
            raise LookupError("the row of the comparison is missing")
        return found

    async def differences(self, tx: Transaction, *, marketplace_id: uuid.UUID) -> list[Found]:
        """List the confirmed differences of a marketplace, the oldest first."""
        connection = await driver(tx)
        cursor = connection.cursor(row_factory=class_row(Found))
        values = (marketplace_id, self.confirmed_seconds, SHOWN_MAX)
        return await (await cursor.execute(_DIFFERENCES, values)).fetchall()


_PLACE = "select marketplace_id, side, page_token, accounts from reconciliation where id = 1"
_MOVE = """
update reconciliation set marketplace_id = %s, side = %s, page_token = %s, accounts = %s,
    looked_at = clock_timestamp()
where id = 1
"""
_FORGET = """
delete from differences d using reconciliation r where r.id = 1 and d.seen_at < r.round_started_at
"""
_END_ROUND = """
update reconciliation set marketplace_id = '00000000-0000-0000-0000-000000000000', side = 'CHAIN',
    page_token = '', accounts = 0, round_started_at = clock_timestamp(),
    looked_at = clock_timestamp(), round_finished_at = clock_timestamp(), round_accounts = accounts
where id = 1
"""
_NEXT = """
select marketplace_id from users where marketplace_id > %s order by marketplace_id limit 1
"""
_AGREE = """
delete from differences
where marketplace_id = %s and account = any(%s::text[]) and account <> all(%s::text[])
"""
_DIFFER = """
insert into differences as d (marketplace_id, account, ledger, chain, since, seen_at)
values (%s, %s, %s, %s, clock_timestamp(), clock_timestamp())
on conflict (marketplace_id, account) do update set
    since = case when (d.ledger, d.chain) = (excluded.ledger, excluded.chain)
            then d.since else excluded.since end,
    ledger = excluded.ledger, chain = excluded.chain, seen_at = excluded.seen_at
returning seen_at - since >= %s * interval '1 second'
"""
_KNOWN = """
select looked_at, round_finished_at, round_accounts, (
    select count(*) from differences where seen_at - since >= %s * interval '1 second'
) as differing
from reconciliation where id = 1
"""
_DIFFERENCES = """
select account, ledger, chain, since from differences
where marketplace_id = %s and seen_at - since >= %s * interval '1 second'
order by since, account limit %s
"""
