"""Orders as their parties list them, in Postgres: pages by offset, totals, overdue deliveries."""

import datetime as dt
import uuid

import sqlalchemy as sa

from chassis.database import Transaction, driver
from services.orders.domain import Order
from services.orders.marketplaces import AUTO_CONFIRM_DAYS
from services.orders.store import order_of
from services.orders.tables import ORDER_COLUMNS, orders


class PartyStore:
    """What the parties of orders see."""

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: uuid.UUID,
        column: str,
        user_id: uuid.UUID,
        status: str,
        offset: int,
        limit: int,
    ) -> tuple[list[Order], int]:
        """List one side's orders newest first, and count the filter.

        column: buyer_id or seller_id. status: a party status, or empty for any.
        """
        where = [orders.c.marketplace_id == marketplace_id, orders.c[column] == user_id]
        if status:
            where.append(orders.c.party_status == status)
        query = sa.select(*(orders.c[name] for name in ORDER_COLUMNS)).where(*where)
        rows = await tx.execute(query.order_by(orders.c.id.desc()).offset(offset).limit(limit))
        connection = await driver(tx)
        is_seller = column == "seller_id"
        given = (marketplace_id, user_id, is_seller, status, status) * 2
        cursor = await connection.execute(_TOTAL, given)
        total = await cursor.fetchone()
        return [order_of(row) for row in rows.mappings()], int(str(total[0])) if total else 0

    async def fold_totals(self, tx: Transaction) -> None:
        """Fold what was appended to the parties' counts into their totals; one at a time."""
        connection = await driver(tx)
        cursor = await connection.execute("select pg_try_advisory_xact_lock(hashtext('totals'))")
        row = await cursor.fetchone()
        if row is not None and row[0] is True:
            await connection.execute(_FOLD)

    async def overdue(
        self, tx: Transaction, *, at: dt.datetime, limit: int
    ) -> list[tuple[uuid.UUID, uuid.UUID]]:
        """List (marketplace, order) of deliveries that count as accepted by now."""
        connection = await driver(tx)
        cursor = await connection.execute(_OVERDUE, (AUTO_CONFIRM_DAYS, at, limit))
        return [(uuid.UUID(str(row[0])), uuid.UUID(str(row[1]))) for row in await cursor.fetchall()]


_TOTAL = """
select coalesce(sum(n), 0)::bigint from (
    select total as n from party_totals
    where marketplace_id = %s and user_id = %s and is_seller = %s and (%s = '' or status = %s)
    union all
    select change from party_changes
    where marketplace_id = %s and user_id = %s and is_seller = %s and (%s = '' or status = %s)
) counts
"""
_FOLD = """
with folded as (delete from party_changes returning *),
sums as (
    select marketplace_id, user_id, is_seller, status, sum(change) as change
    from folded group by 1, 2, 3, 4
),
known as (
    update party_totals t set total = t.total + s.change from sums s
    where (t.marketplace_id, t.user_id, t.is_seller, t.status)
        = (s.marketplace_id, s.user_id, s.is_seller, s.status)
    returning t.marketplace_id, t.user_id, t.is_seller, t.status
)
insert into party_totals (marketplace_id, user_id, is_seller, status, total)
select s.* from sums s where not exists (
    select from known k
    where (k.marketplace_id, k.user_id, k.is_seller, k.status)
        = (s.marketplace_id, s.user_id, s.is_seller, s.status)
)
"""
_OVERDUE = """
select o.marketplace_id, o.id from orders o left join marketplaces m on m.id = o.marketplace_id
where o.state = 'IN_PROGRESS' and o.delivered_at is not null
    and o.delivered_at + make_interval(days => coalesce(m.auto_confirm_days, %s)) <= %s
order by o.delivered_at limit %s
"""
