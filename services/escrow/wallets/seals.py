"""All stored sealed keys: of the platform, the resolver, channel accounts and wallets."""

from dataclasses import dataclass

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.tables import channels, platform, resolver, wallets
from services.escrow.wallets.vault import Sealed

_TABLES = {"platform": platform, "resolver": resolver, "channels": channels, "wallets": wallets}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One sealed key. place: the table that has it; marketplace_id, wallet_id: of a wallet."""

    place: str
    address: str
    sealed: Sealed
    marketplace_id: str = ""
    wallet_id: str = ""


class Seals:
    """Reads and replaces sealed keys."""

    async def page(self, tx: Transaction, *, after: str, size: int) -> list[Seal]:
        """Read the seals after an address, in the order of addresses; "": from the first one."""
        rows = await tx.fetch(_PAGE, {"after": after, "size": size})
        return [
            Seal(
                place=row.place,
                address=row.address,
                sealed=row.sealed,
                marketplace_id=row.marketplace_id,
                wallet_id=row.wallet_id,
            )
            for row in rows
        ]

    async def replace(self, tx: Transaction, seal: Seal, *, sealed: Sealed) -> None:
        """Replace the seal of a key, unless somebody else has replaced it meanwhile."""
        old, new = Jsonb(dict(seal.sealed)), Jsonb(dict(sealed))
        await tx.run(_REPLACE[seal.place], {"address": seal.address, "old": old, "new": new})


def _seals_of(place: str) -> sa.Select[tuple[str, str, Sealed, str, str]]:
    """Return the query of a page of one table, by its index of addresses."""
    table = _TABLES[place]
    is_wallet = table is wallets
    nobody = sa.literal("")
    return (
        sa.select(
            sa.literal(place).label("place"),
            table.c.address,
            table.c.sealed,
            (sa.cast(table.c.marketplace_id, sa.Text) if is_wallet else nobody).label(
                "marketplace_id"
            ),
            (sa.cast(table.c.id, sa.Text) if is_wallet else nobody).label("wallet_id"),
        )
        .where(table.c.address > sa.bindparam("after"))
        .order_by(table.c.address)
        .limit(sa.bindparam("size"))
    )


def _replacing(table: sa.Table) -> str:
    """Return the statement that replaces a seal if the old seal still stands."""
    is_it = (table.c.address == sa.bindparam("address")) & (table.c.sealed == sa.bindparam("old"))
    return compiled(sa.update(table).where(is_it).values(sealed=sa.bindparam("new")))


_ALL = sa.union_all(*(sa.select(_seals_of(place).subquery()) for place in _TABLES)).subquery()
_PAGE = compiled(sa.select(*_ALL.c).order_by(_ALL.c.address).limit(sa.bindparam("size")))
_REPLACE = {place: _replacing(table) for place, table in _TABLES.items()}
