"""Messages and notes in PostgreSQL: insert and read rows, which never change.

Every statement names the marketplace and the case. Both tables have the same columns.
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from kernel.errors import InvalidArgument
from kernel.ids import DisputeId, MarketplaceId
from services.disputes import tables
from services.disputes.talk.domain import DisputeAuthor, Remark, Writer


class RemarkStore:
    """Reads and inserts the remarks of one table."""

    def __init__(self, table: sa.Table) -> None:
        case = (
            table.c.marketplace_id == sa.bindparam("marketplace_id"),
            table.c.dispute_id == sa.bindparam("dispute_id"),
        )
        added: dict[str, Any] = {
            one.name: sa.bindparam(one.name) for one in table.c if one.name != "number"
        }
        newest = table.c.number.desc()
        limit: Any = sa.bindparam("limit")
        self._add = compiled(sa.insert(table).values(added))
        self._count = compiled(sa.select(sa.func.count()).select_from(table).where(*case))
        self._number = compiled(
            sa.select(table.c.number).where(*case, table.c.id == sa.bindparam("id"))
        )
        self._first = compiled(sa.select(table).where(*case).order_by(newest).limit(limit))
        self._next = compiled(
            sa.select(table)
            .where(*case, table.c.number < sa.bindparam("below"))
            .order_by(newest)
            .limit(limit)
        )

    async def add(self, tx: Transaction, remark: Remark) -> None:
        """Insert a remark on a locked case."""
        values = {
            "marketplace_id": remark.marketplace_id,
            "id": remark.id,
            "dispute_id": remark.dispute_id,
            "author": remark.writer.author,
            "author_id": remark.writer.id,
            "author_name": remark.writer.name,
            "text": remark.text,
            "created_at": remark.at,
        }
        await tx.run(self._add, values)

    async def count(
        self, tx: Transaction, *, marketplace_id: MarketplaceId, dispute_id: DisputeId
    ) -> int:
        """Count the remarks on a locked case."""
        case = {"marketplace_id": marketplace_id, "dispute_id": dispute_id}
        found: int = await tx.fetchval(self._count, case)
        return found

    async def page(
        self,
        tx: Transaction,
        *,
        marketplace_id: MarketplaceId,
        dispute_id: DisputeId,
        after: UUID | None,
        limit: int,
    ) -> list[Remark]:
        """Read up to `limit` remarks on a case, newest first.

        after: the last remark of the page before; None: first page.

        Raises: InvalidArgument: the case has no remark with the id `after`.
        """
        case = {"marketplace_id": marketplace_id, "dispute_id": dispute_id}
        if after is None:
            return [_remark(row) for row in await tx.fetch(self._first, {**case, "limit": limit})]
        number = await tx.fetchval(self._number, {**case, "id": after})
        if number is None:
            fields = [("cursor", "is not a cursor of this list")]
            raise InvalidArgument("Unknown cursor", fields=fields)
        rows = await tx.fetch(self._next, {**case, "below": number, "limit": limit})
        return [_remark(row) for row in rows]


def _remark(row: Any) -> Remark:
    return Remark(
        id=row.id,
        marketplace_id=row.marketplace_id,
        dispute_id=row.dispute_id,
        writer=Writer(author=DisputeAuthor(row.author), id=row.author_id, name=row.author_name),
        text=row.text,
        at=row.created_at,
    )


# Both sides read messages; no party reads notes.
MESSAGES, NOTES = RemarkStore(tables.messages), RemarkStore(tables.notes)
