"""`choose`: configure a marketplace, or print its settings.

Without options it prints the current settings. It writes to the database as an administrator.
"""

from collections.abc import Mapping
from typing import Any

import click
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.marketplaces import Named, NoSuchMarketplaceError, chosen
from deploy.operator.settings import Place
from deploy.operator.trail import keep

FEE_BPS_MAX = 9900
DAYS_MAX = 365
HOURS_MAX = 720
_MAKE = "insert into orders.marketplaces (id) values (%s) on conflict do nothing"
_CHOOSE = "update orders.marketplaces set {} = %s where id = %s"
_READ = """
select allows_manual_credit, platform_fee_bps_marketplace, platform_fee_bps_party,
       auto_confirm_days, reservation_days, funding_days, delivery_days, decision_days,
       warning_hours
from orders.marketplaces where id = %s
"""
BPS = click.IntRange(0, FEE_BPS_MAX)
DAYS = click.IntRange(1, DAYS_MAX)
HOURS = click.IntRange(1, HOURS_MAX)


@doing("choose", about=__doc__)
@click.option("--marketplace", default="demo", show_default=True, help="A name, name:test or UUID.")
@click.option(
    "--credits",
    "credits_",
    type=click.Choice(("on", "off")),
    help="Whether the marketplace may credit users.",
)
@click.option(
    "--fee-bps", type=BPS, help="Platform fee of orders made with an API key, in basis points."
)
@click.option(
    "--party-fee-bps",
    type=BPS,
    help="Platform fee of orders made with a user's token, in basis points.",
)
@click.option("--auto-confirm-days", type=DAYS, help="Days until a delivery counts as accepted.")
@click.option(
    "--reservation-days", type=DAYS, help="Days until a reservation without an escrow is canceled."
)
@click.option(
    "--funding-days", type=DAYS, help="Days until an order whose escrow is not funded is canceled."
)
@click.option(
    "--delivery-days", type=DAYS, help="Days until a missing delivery is published as an event."
)
@click.option(
    "--decision-days", type=DAYS, help="Days until an undecided dispute is published as an event."
)
@click.option(
    "--warning-hours", type=HOURS, help="Hours from a deadline's warning to the deadline."
)
def command(
    place: Place,
    *,
    marketplace: str,
    credits_: str | None,
    fee_bps: int | None,
    party_fee_bps: int | None,
    **deadlines: int | None,
) -> Answer:
    """Change what is given, and print the settings.

    Raises: NoPlaceError; NoSuchMarketplaceError; psycopg.Error.
    """
    place.require_database()
    found = chosen(marketplace, database_url=place.database_url)
    if len(found) != 1:
        raise NoSuchMarketplaceError("choose configures one marketplace at a time; name it")
    given: dict[str, int | bool | None] = {
        "allows_manual_credit": None if credits_ is None else credits_ == "on",
        "platform_fee_bps_marketplace": fee_bps,
        "platform_fee_bps_party": party_fee_bps,
        **deadlines,
    }
    chosen_now = {name: value for name, value in given.items() if value is not None}
    if chosen_now:
        keep(place, "choose", marketplace=found[0].label, **chosen_now)
    return _said(found[0], apply(place.database_url, found[0], chosen=chosen_now))


def _said(marketplace: Named, held: Mapping[str, Any]) -> Answer:
    by_key, by_token = (held[f"platform_fee_bps_{one}"] for one in ("marketplace", "party"))
    return Answer(
        lines=[
            f"manual credits: {'on' if held['allows_manual_credit'] else 'off'}",
            f"platform fee, orders by API key: {_bps(by_key)}",
            f"platform fee, orders by user's token: {_bps(by_token)}",
            f"a delivery counts as accepted after {held['auto_confirm_days']} days",
            f"a reservation without an escrow is canceled after {held['reservation_days']} days",
            f"an order whose escrow is not funded is canceled after {held['funding_days']} days",
            f"a missing delivery is published after {held['delivery_days']} days",
            f"an undecided dispute is published after {held['decision_days']} days",
            f"each deadline's warning comes {held['warning_hours']} hours before it",
        ],
        document={
            "marketplace": marketplace.label,
            "manualCredits": held["allows_manual_credit"],
            "feeBps": by_key,
            "partyFeeBps": by_token,
            "autoConfirmDays": held["auto_confirm_days"],
            "reservationDays": held["reservation_days"],
            "fundingDays": held["funding_days"],
            "deliveryDays": held["delivery_days"],
            "decisionDays": held["decision_days"],
            "warningHours": held["warning_hours"],
        },
    )


def apply(database_url: str, marketplace: Named, *, chosen: Mapping[str, object]) -> dict[str, Any]:
    """Change settings of a marketplace; returns all. chosen: columns of orders.marketplaces."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute(_MAKE, (marketplace.id,))
        for column, value in chosen.items():
            statement = sql.SQL(_CHOOSE).format(sql.Identifier(column))
            connection.execute(statement, (value, marketplace.id))
        held = connection.execute(_READ, (marketplace.id,)).fetchone()
    if held is None:
        raise LookupError(marketplace.id)
    return held


def _bps(value: int | None) -> str:
    return "the service's default" if value is None else f"{value} basis points"
