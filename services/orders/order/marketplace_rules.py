"""The rules of a marketplace: fees, credits, deadlines, withdrawals, and its clock's offset.

A marketplace without a row has the defaults below; a null column means the service's default.
The service only reads the rules; an operator writes them, as an administrator of the database.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from chassis.database import Transaction
from chassis.sql import compiled
from services.orders.order.deadlines import RULES, WARNING_HOURS, SupportTime
from services.orders.order.domain import Origin
from services.orders.order.withdrawal_rules import WithdrawalRules
from services.orders.tables import marketplaces

_DAYS: Mapping[str, int] = {rule.setting: rule.days for rule in RULES}


class PayoutRedirects(StrEnum):
    """Who may redirect payouts: only operators, or also the marketplace."""

    OPERATOR = "OPERATOR"
    MARKETPLACE = "MARKETPLACE"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketplaceRules:
    """The rules of one marketplace; None: the service's default. Fees in basis points.

    days: the days of each deadline, by the name of its setting. clock_offset: 0, unless a test
    marketplace has moved its clock.
    """

    allows_manual_credit: bool = False
    platform_fee_bps_marketplace: int | None = None
    platform_fee_bps_party: int | None = None
    days: Mapping[str, int] = field(default_factory=lambda: _DAYS)
    warning_hours: int = WARNING_HOURS
    clock_offset: dt.timedelta = dt.timedelta()
    withdrawals: WithdrawalRules = field(default_factory=WithdrawalRules)
    support_time: SupportTime = field(default_factory=SupportTime)
    payout_redirects: PayoutRedirects = PayoutRedirects.OPERATOR

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
        days={setting: getattr(row, setting) for setting in _DAYS},
        warning_hours=row.warning_hours,
        clock_offset=dt.timedelta(seconds=row.clock_offset_seconds),
        withdrawals=WithdrawalRules(
            least=row.withdrawal_least,
            most=row.withdrawal_most,
            most_per_day=row.withdrawal_most_per_day,
            destinations=row.withdrawal_destinations,
            new_destination_hours=row.new_destination_hours,
            approval_above=row.approval_above,
            approval_hours=row.approval_hours,
        ),
        support_time=SupportTime(
            answer_hours=row.dispute_answer_hours, decision_hours=row.dispute_decision_hours
        ),
        payout_redirects=PayoutRedirects(row.payout_redirects),
    )


_RULES = compiled(sa.select(marketplaces).where(marketplaces.c.id == sa.bindparam("id")))
