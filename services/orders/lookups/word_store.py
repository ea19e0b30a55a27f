"""The search words of orders in PostgreSQL: one row for each word of each order.

The table words_due lists the orders whose words must still be inserted.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chassis.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order whose words must still be inserted."""

    marketplace_id: uuid.UUID
    order_id: uuid.UUID
    title: str
    description: str


class WordStore:
    """Reads and writes the words of all marketplaces' orders."""

    async def take(self, tx: Transaction, *, limit: int) -> list[Due]:
        """Remove orders from words_due and return them; rows locked by others are skipped.

        The rows are locked until the transaction ends, and come back if it is rolled back.
        """
        return [
            Due(
                marketplace_id=row.marketplace_id,
                order_id=row.order_id,
                title=row.title,
                description=row.description,
            )
            for row in await tx.fetch(_TAKE, {"limit": limit})
        ]

    async def add(self, tx: Transaction, found: Sequence[tuple[Due, Collection[str]]]) -> None:
        """Insert search words of orders; existing rows are kept."""
        values = {
            "marketplaces": [due.marketplace_id for due, _ in found],
            "orders": [due.order_id for due, _ in found],
            # A word contains no space.
            "words": [" ".join(words) for _, words in found],
        }
        await tx.run(_ADD, values)


_TAKE = """
with taken as (
    delete from words_due where ctid = any(
        array(select ctid from words_due limit %(limit)s for update skip locked)
    )
    returning marketplace_id, order_id
)
select taken.marketplace_id, taken.order_id, found.title, found.description
from taken cross join lateral (
    select title, description from orders
    where marketplace_id = taken.marketplace_id and id = taken.order_id limit 1
) as found
"""
# Rows are inserted in sorted order, so that two processes cannot deadlock.
_ADD = """
insert into words (marketplace_id, word, order_id)
select found.marketplace_id, each.word, found.order_id
from unnest(%(marketplaces)s::uuid[], %(orders)s::uuid[], %(words)s::text[])
    as found (marketplace_id, order_id, words)
cross join lateral unnest(string_to_array(found.words, ' ')) as each (word)
order by 1, 2, 3
on conflict do nothing
"""
