"""The places of contracts in PostgreSQL."""

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.domain import Escrow
from services.escrow.tables import escrows


class PlaceStore:
    """Writes the places where contracts are deployed."""

    async def move(self, tx: Transaction, escrow: Escrow, *, known: str) -> None:
        """Write the place of an escrow whose contract is not deployed. known: the address before.

        Raises: LookupError: the address has changed since it was read.
        """
        names = {
            "marketplace_id": escrow.marketplace_id,
            "id": escrow.id,
            "known": known,
            "contract_id": escrow.contract_id,
            "salt": escrow.salt,
            "deployment": escrow.deployment,
            "factory": escrow.factory,
        }
        if await tx.run(_MOVE, names) != 1:
            raise LookupError("the escrow to move has changed since it was read")

    async def live(self, tx: Transaction, *, after: str, limit: int) -> list[str]:
        """List contracts of orders that have not ended, in the order of their addresses."""
        rows = await tx.fetch(_LIVE, {"after": after, "size": limit})
        return [row.contract_id for row in rows]


_PLACE = ("contract_id", "salt", "deployment", "factory")
_MOVE = compiled(
    sa.update(escrows)
    .where(
        escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
        escrows.c.id == sa.bindparam("id"),
        escrows.c.contract_id == sa.bindparam("known"),
    )
    .values({name: sa.bindparam(name) for name in _PLACE})
)
# An index of these contracts has the same condition.
_LIVE = """
select contract_id from escrows
where closed_at is null and state not in ('FAILED', 'CREATING') and contract_id > %(after)s
order by contract_id limit %(size)s
"""
