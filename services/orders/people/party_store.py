"""The lists of orders of each party in PostgreSQL: pages by offset, and totals."""

import functools
import uuid

from chassis.database import Transaction
from services.orders.order.domain import Order
from services.orders.order.store import order_of
from services.orders.tables import orders


class PartyStore:
    """Reads the orders of a party, and maintains the totals of the lists."""

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
        """List one side's orders, newest first, and count all that match, in one snapshot.

        column: buyer_id or seller_id. status: a party status; empty: any.
        """
        values = {
            "marketplace_id": marketplace_id,
            "user_id": user_id,
            "is_seller": column == "seller_id",
            "status": status,
            "offset": offset,
            "limit": limit,
        }
        rows = await tx.fetch(_page(column, is_filtered=bool(status)), values)
        return [order_of(row) for row in rows if row.id is not None], rows[0].counted

    async def has_changes(self, tx: Transaction) -> bool:
        """Return whether changes of the counts wait to be folded into the totals."""
        return await tx.fetchval("select exists (select from party_changes)") is True

    async def fold_totals(self, tx: Transaction) -> None:
        """Add the waiting changes to the totals, unless another process is doing so."""
        if await tx.fetchval("select pg_try_advisory_xact_lock(hashtext('totals'))"):
            await tx.run(_FOLD)


@functools.cache
def _page(column: str, *, is_filtered: bool) -> str:
    """Return the statement of a page. Its first row has the total, even without any order."""
    if column not in {"buyer_id", "seller_id"}:
        raise ValueError(f"{column} is not a side of an order")
    status = "and party_status = %(status)s" if is_filtered else ""
    counted = "and status = %(status)s" if is_filtered else ""
    columns = ", ".join(column.name for column in orders.c)
    return f"""
with counts as (
    select total as n from party_totals
    where marketplace_id = %(marketplace_id)s and user_id = %(user_id)s
        and is_seller = %(is_seller)s {counted}
    union all
    select change from party_changes
    where marketplace_id = %(marketplace_id)s and user_id = %(user_id)s
        and is_seller = %(is_seller)s {counted}
),
page as (
    select {columns} from orders
    where marketplace_id = %(marketplace_id)s and {column} = %(user_id)s {status}
    order by id desc offset %(offset)s limit %(limit)s
)
select (select coalesce(sum(n), 0)::bigint from counts) as counted, {columns}
from (values (1)) as always left join page on true order by page.id desc
"""  # noqa: S608 - constants


_FOLD = """
with folded as (
    delete from party_changes returning marketplace_id, user_id, is_seller, status, change
),
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
select s.marketplace_id, s.user_id, s.is_seller, s.status, s.change from sums s where not exists (
    select from known k
    where (k.marketplace_id, k.user_id, k.is_seller, k.status)
        = (s.marketplace_id, s.user_id, s.is_seller, s.status)
)
"""
