"""Accounts that no user owns, in Postgres: the platform's wallet and the channel accounts."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from services.escrow.tables import channels, platform
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
        row = (await tx.execute(sa.select(platform))).first()
        return None if row is None else (row.address, row.sealed)

    async def add_platform(self, tx: Transaction, *, address: str, sealed: Sealed) -> None:
        """Keep the platform's key; the first one stays."""
        row = {"address": address, "sealed": dict(sealed)}
        await tx.execute(insert(platform).values(row).on_conflict_do_nothing())

    async def channels(self, tx: Transaction) -> list[Channel]:
        """Read every channel account that is not retired."""
        chosen = sa.select(channels).where(channels.c.is_retired.is_(False))
        rows = await tx.execute(chosen.order_by(channels.c.address))
        return [
            Channel(address=row.address, sealed=row.sealed, next_sequence=row.next_sequence)
            for row in rows
        ]

    async def channels_held_up(self, tx: Transaction) -> int:
        """Count channel accounts in use that quarantined commands, or such that wait, hold."""
        return int((await tx.execute(_HELD_UP)).scalar_one())

    async def channel(self, tx: Transaction, address: str) -> Sealed:
        """Read the sealed key of a channel account."""
        chosen = sa.select(channels.c.sealed).where(channels.c.address == address)
        sealed: Sealed = (await tx.execute(chosen)).scalar_one()
        return sealed

    async def is_channel(self, tx: Transaction, address: str) -> bool:
        """Tell whether an address is a channel account of ours, in use or retired."""
        chosen = sa.select(channels.c.address).where(channels.c.address == address)
        return (await tx.execute(chosen)).first() is not None

    async def add_channel(self, tx: Transaction, *, address: str, sealed: Sealed) -> None:
        """Keep the key of a channel account that is not on chain yet."""
        await tx.execute(insert(channels).values(address=address, sealed=dict(sealed)))

    async def open_channel(self, tx: Transaction, *, address: str, next_sequence: int) -> None:
        """Let steps use a channel account that is on chain now."""
        await tx.execute(
            sa.update(channels)
            .where(channels.c.address == address, channels.c.next_sequence.is_(None))
            .values(next_sequence=next_sequence)
        )

    async def retire_channel(self, tx: Transaction, *, address: str) -> bool:
        """Let no further step use a channel account; False while a step has it."""
        statement = (
            sa.update(channels)
            .where(channels.c.address == address, channels.c.leased_by.is_(None))
            .values(is_retired=True)
        )
        return bool((await tx.execute(statement)).rowcount == 1)


_HELD_UP = sa.text("""
select count(*) from channels h
join steps s on s.id = h.leased_by
join commands c on c.marketplace_id = s.marketplace_id and c.id = s.command_id
where (c.state = 'QUARANTINED' or c.waiting_since is not null) and not h.is_retired
""")
