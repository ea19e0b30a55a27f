"""Redirected payouts in PostgreSQL: proposals, their approvals, and the address in the escrow."""

import datetime as dt
import uuid
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.sql import compiled
from services.escrow.domain import Escrow, PayeeRole
from services.escrow.tables import escrows, redirects

# A proposal expires after a day. Its operator then looks at the order again.
LIFETIME = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A party's money goes to another address. approved_by: "" while it is only proposed."""

    id: uuid.UUID
    party: PayeeRole
    address: str
    proposed_by: str
    expires_at: dt.datetime
    approved_by: str = ""


class RedirectStore:
    """Reads and writes redirections. Each call concerns one escrow, whose row is locked."""

    async def open_one(
        self,
        tx: Transaction,
        escrow: Escrow,
        *,
        party: PayeeRole,
        address: str,
        by_rule: bool = False,
    ) -> Redirect | None:
        """Read a proposal that can still be approved, or None.

        by_rule: a proposal that a marketplace's keys decide on; otherwise operators decide.
        """
        names = {**_name(escrow), "party": party, "address": address, "by_rule": by_rule}
        row = await tx.fetchrow(_OPEN, names)
        if row is None:
            return None
        return Redirect(
            id=row.id,
            party=party,
            address=address,
            proposed_by=row.proposed_by,
            expires_at=row.expires_at,
        )

    async def propose(
        self,
        tx: Transaction,
        escrow: Escrow,
        *,
        redirect_id: uuid.UUID,
        party: PayeeRole,
        address: str,
        why: str,
        by: str,
        by_rule: bool = False,
        lifetime: dt.timedelta | None = None,
    ) -> Redirect:
        """Store a proposal. It expires by the database's clock. lifetime: None means a day."""
        row = {
            **_name(escrow),
            "id": redirect_id,
            "party": party,
            "address": address,
            "why": why,
            "proposed_by": by,
            "by_rule": by_rule,
            "lifetime": LIFETIME if lifetime is None else lifetime,
        }
        expires_at = await tx.fetchval(_PROPOSE, row)
        return Redirect(
            id=redirect_id, party=party, address=address, proposed_by=by, expires_at=expires_at
        )

    async def approve(self, tx: Transaction, escrow: Escrow, found: Redirect, *, by: str) -> None:
        """Record who approves a proposal, and let the party be paid at its address.

        Raises: LookupError: it was approved meanwhile, or the escrow is gone.
        """
        approval = {"marketplace_id": escrow.marketplace_id, "id": found.id, "by": by}
        place = {**_name(escrow), "address": found.address}
        if await tx.run(_APPROVE, approval) != 1 or await tx.run(_PAY_AT[found.party], place) != 1:
            raise LookupError("the proposal to approve has changed since it was read")


def _name(escrow: Escrow) -> dict[str, object]:
    return {"marketplace_id": escrow.marketplace_id, "escrow_id": escrow.id}


_OPEN = compiled(
    sa.select(redirects.c.id, redirects.c.proposed_by, redirects.c.expires_at)
    .where(
        redirects.c.marketplace_id == sa.bindparam("marketplace_id"),
        redirects.c.escrow_id == sa.bindparam("escrow_id"),
        redirects.c.party == sa.bindparam("party"),
        redirects.c.address == sa.bindparam("address"),
        redirects.c.by_rule == sa.bindparam("by_rule"),
        redirects.c.approved_by.is_(None),
        redirects.c.expires_at > sa.func.clock_timestamp(),
    )
    .order_by(redirects.c.expires_at.desc())
    .limit(1)
)
_GIVEN = (
    "marketplace_id", "escrow_id", "id", "party", "address", "why", "proposed_by", "by_rule"
)  # fmt: skip
_PROPOSE = compiled(
    insert(redirects)
    .values(
        {column: sa.bindparam(column) for column in _GIVEN}
        | {"expires_at": sa.func.clock_timestamp() + sa.bindparam("lifetime", type_=sa.Interval)}
    )
    .returning(redirects.c.expires_at)
)
_APPROVE = compiled(
    sa.update(redirects)
    .where(
        redirects.c.marketplace_id == sa.bindparam("marketplace_id"),
        redirects.c.id == sa.bindparam("id"),
        redirects.c.approved_by.is_(None),
    )
    .values(approved_by=sa.bindparam("by"), approved_at=sa.func.clock_timestamp())
)
_PAY_AT = {
    party: compiled(
        sa.update(escrows)
        .where(
            escrows.c.marketplace_id == sa.bindparam("marketplace_id"),
            escrows.c.id == sa.bindparam("escrow_id"),
        )
        .values({column: sa.bindparam("address")})
    )
    for party, column in (
        (PayeeRole.SELLER, "seller_payout"),
        (PayeeRole.BUYER, "buyer_payout"),
    )
}
