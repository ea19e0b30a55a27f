"""The rules of a marketplace: fee rates, manual credits, when a delivery counts as accepted.

A marketplace without a row has the defaults; a column that is null has the service's default.
The service reads them only; an operator writes them, as an administrator of the database.
"""

import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from services.orders.order.domain import Origin
from services.orders.tables import marketplaces

AUTO_CONFIRM_DAYS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceRules:
    """The choices of one marketplace; None: the service's default. Fees in basis points."""

    allows_manual_credit: bool = False
    platform_fee_bps_marketplace: int | None = None
    platform_fee_bps_party: int | None = None
    auto_confirm_days: int = AUTO_CONFIRM_DAYS

    def platform_fee_bps(self, origin: Origin) -> int | None:
        """Return the rate for orders of an origin; None: the service's default."""
        if origin is Origin.MARKETPLACE:
            return self.platform_fee_bps_marketplace
        return self.platform_fee_bps_party


async def marketplace_rules(tx: Transaction, marketplace_id: uuid.UUID) -> MarketplaceRules:
    """Read the rules of a marketplace."""
    row = await tx.fetchrow(_RULES, {"id": marketplace_id})
    if row is None:
        return MarketplaceRules()
    return MarketplaceRules(
        allows_manual_credit=row.allows_manual_credit,
        platform_fee_bps_marketplace=row.platform_fee_bps_marketplace,
        platform_fee_bps_party=row.platform_fee_bps_party,
        auto_confirm_days=row.auto_confirm_days,
    )


_RULES = compiled(sa.select(marketplaces).where(marketplaces.c.id == sa.bindparam("id")))
