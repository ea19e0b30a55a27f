"""Accounts that no user owns, in PostgreSQL: the platform's wallet and the channel accounts."""

from dataclasses import dataclass

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.tables import channels, platform, resolver
from services.escrow.wallets.vault import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel account. next_sequence: None until the account is known to be on chain."""

    address: str
    sealed: Sealed
    next_sequence: int | None


class Accounts:
    """Reads and writes accounts that no user owns."""

    async def platform(self, tx: Transaction) -> tuple[str, Sealed] | None:
        """Read the platform's address and sealed key; None before the first start."""
        row = await tx.fetchrow(_PLATFORM)
        return None if row is None else (row.address, row.sealed)

    async def add_platform(self, tx: Transaction, *, address: str, sealed: Sealed) -> None:
        """Store the platform's key; a key that is already stored stays."""
        await tx.run(_ADD_PLATFORM, {"address": address, "sealed": Jsonb(dict(sealed))})

    async def resolver(self, tx: Transaction) -> tuple[str, Sealed] | None:
        """Read the resolver's address and sealed key; None before the first start."""
        row = await tx.fetchrow(_RESOLVER)
        return None if row is None else (row.address, row.sealed)

    async def add_resolver(self, tx: Transaction, *, address: str, sealed: Sealed) -> None:
        """Store the resolver's key; a key that is already stored stays."""
        await tx.run(_ADD_RESOLVER, {"address": address, "sealed": Jsonb(dict(sealed))})

    async def platform_landed(self, tx: Transaction, *, sequence: int, ledger: int) -> None:
        """Record that a transaction with the platform account's next number is in a ledger.

        If the books do not know the number before it, nothing is recorded: what used that number
        must be explained first.
        """
        await tx.run(_PLATFORM_LANDED, {"sequence": sequence, "ledger": ledger})

    async def channels(self, tx: Transaction) -> list[Channel]:
        """Read every channel account that is not retired."""
        return [
            Channel(address=row.address, sealed=row.sealed, next_sequence=row.next_sequence)
            for row in await tx.fetch(_CHANNELS)
        ]

    async def channels_held_up(self, tx: Transaction) -> int:
        """Count channel accounts in use whose commands are quarantined or wait."""
        return int(await tx.fetchval(_HELD_UP))

    async def channel(self, tx: Transaction, address: str) -> Sealed:
        """Read the sealed key of a channel account. Raises: LookupError."""
        sealed: Sealed | None = await tx.fetchval(_CHANNEL, {"address": address})
        if sealed is None:
            raise LookupError("there is no such channel account")
        return sealed

    async def is_channel(self, tx: Transaction, address: str) -> bool:
        """Tell whether an address is a channel account of ours, in use or retired."""
        return await tx.fetchrow(_CHANNEL, {"address": address}) is not None

    async def add_channel(self, tx: Transaction, *, address: str, sealed: Sealed) -> None:
        """Store the key of a channel account that is not on chain yet."""
        await tx.run(_ADD_CHANNEL, {"address": address, "sealed": Jsonb(dict(sealed))})

    async def open_channel(self, tx: Transaction, *, address: str, next_sequence: int) -> None:
        """Let steps use a channel account that is on chain now."""
        await tx.run(_OPEN_CHANNEL, {"address": address, "next_sequence": next_sequence})


_IS_NAMED = channels.c.address == sa.bindparam("address")
_KEY: dict[str, sa.BindParameter[object]] = {
    "address": sa.bindparam("address"),
    "sealed": sa.bindparam("sealed"),
}
_PLATFORM = compiled(sa.select(platform.c.address, platform.c.sealed))
_RESOLVER = compiled(sa.select(resolver.c.address, resolver.c.sealed))
_ADD_RESOLVER = compiled(insert(resolver).values(_KEY).on_conflict_do_nothing())
_ADD_PLATFORM = compiled(insert(platform).values(_KEY).on_conflict_do_nothing())
_PLATFORM_LANDED = """
update platform set last_sequence = %(sequence)s, seen_ledger = greatest(seen_ledger, %(ledger)s)
where last_sequence = %(sequence)s - 1
"""
_CHANNELS = compiled(
    sa.select(channels.c.address, channels.c.sealed, channels.c.next_sequence)
    .where(channels.c.is_retired.is_(False))
    .order_by(channels.c.address)
)
_CHANNEL = compiled(sa.select(channels.c.sealed).where(_IS_NAMED))
_ADD_CHANNEL = compiled(insert(channels).values(_KEY))
_OPEN_CHANNEL = compiled(
    sa.update(channels)
    .where(_IS_NAMED, channels.c.next_sequence.is_(None))
    .values(next_sequence=sa.bindparam("next_sequence"))
)
_HELD_UP = """
select count(*) from channels h
join steps s on s.id = h.leased_by
join commands c on c.marketplace_id = s.marketplace_id and c.id = s.command_id
where (c.state = 'QUARANTINED' or c.waiting_since is not null) and not h.is_retired
"""
