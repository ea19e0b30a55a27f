"""What a marketplace has chosen: fee rates, manual credits, when a delivery counts as accepted.

A marketplace without a row has the defaults; a column that is null has the service's default.
The service reads them only; an operator writes them, as an administrator of the database.
"""

import uuid
from dataclasses import dataclass

from chassis.database import Transaction, driver
from services.orders.order.domain import Origin

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
    """Read what a marketplace has chosen."""
    connection = await driver(tx)
    cursor = await connection.execute(
        "select allows_manual_credit, platform_fee_bps_marketplace, platform_fee_bps_party,"
        " auto_confirm_days from marketplaces where id = %s",
        (marketplace_id,),
    )
    row = await cursor.fetchone()
    if row is None:
        return MarketplaceRules()
    allows, for_marketplace, for_party, days = row
    return MarketplaceRules(
        allows_manual_credit=bool(allows),
        platform_fee_bps_marketplace=_number(for_marketplace),
        platform_fee_bps_party=_number(for_party),
        auto_confirm_days=_number(days) or AUTO_CONFIRM_DAYS,
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
