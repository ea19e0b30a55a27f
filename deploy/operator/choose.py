"""`choose`: configure a marketplace, or print its settings.

Without options it prints the current settings. It writes to the database as an administrator.
"""

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any

import click
import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from pydantic.alias_generators import to_camel

from chassis.audit import Change
from deploy.operator.answers import Answer
from deploy.operator.command import doing
from deploy.operator.marketplaces import Named, NoSuchMarketplaceError, chosen
from deploy.operator.settings import Place
from deploy.operator.trail import keep, note
from kernel.errors import InvalidArgument
from kernel.money import parse_amount, to_text

FEE_BPS_MAX = 9900
DAYS_MAX = 365
HOURS_MAX = 720
_MAKE = "insert into orders.marketplaces (id) values (%s) on conflict do nothing"
_CHOOSE = "update orders.marketplaces set {} = %s where id = %s"
_READ = """
select allows_manual_credit, platform_fee_bps_marketplace, platform_fee_bps_party,
       auto_confirm_days, reservation_days, funding_days, delivery_days, decision_days,
       warning_hours, withdrawal_least, withdrawal_most, withdrawal_most_per_day,
       withdrawal_destinations, new_destination_hours, approval_above, approval_hours,
       dispute_answer_hours, dispute_decision_hours, payout_redirects
from orders.marketplaces where id = %s
"""
BPS = click.IntRange(0, FEE_BPS_MAX)
DAYS = click.IntRange(1, DAYS_MAX)
HOURS = click.IntRange(1, HOURS_MAX)
DESTINATIONS_MAX = 100
ADDRESS = re.compile(r"[GM][A-Z2-7]{55,68}", re.ASCII)


class Off(enum.Enum):
    """The value with which an operator turns a rule off."""

    OFF = "off"


class OrOff(click.ParamType[object]):
    """An option's value, or the word "off"."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        """read: parses the value. Raises: InvalidArgument, ValueError: it is not valid."""
        self.name = f"{name}|off"
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> object:
        """Parse the given text."""
        if isinstance(value, Off) or value == Off.OFF.value:
            return Off.OFF
        try:
            return self._read(value)
        except (InvalidArgument, ValueError) as error:
            return self.fail(str(error), param, ctx)


def _hours(text: str) -> int:
    hours = int(text)
    if not 1 <= hours <= HOURS_MAX:
        raise ValueError(f"{text} is not from 1 to {HOURS_MAX}")
    return hours


def _above(text: str) -> int:
    return 0 if text == "0.00" else parse_amount(text)


def _destinations(text: str) -> list[str]:
    """Parse a list of addresses. An empty text is a list without any address."""
    found = sorted({one.strip() for one in text.split(",")} - {""})
    if len(found) > DESTINATIONS_MAX:
        raise ValueError(f"more than {DESTINATIONS_MAX} destinations")
    for one in found:
        if ADDRESS.fullmatch(one) is None:
            raise ValueError(f"{one} is not an account of Stellar (G… or M…)")
    return found


AMOUNT = OrOff("amount", parse_amount)


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
@click.option("--withdrawal-least", type=AMOUNT, help="Least amount of one withdrawal.")
@click.option("--withdrawal-most", type=AMOUNT, help="Most amount of one withdrawal.")
@click.option(
    "--withdrawal-most-per-day", type=AMOUNT, help="Most that one user withdraws in 24 hours."
)
@click.option(
    "--withdrawal-destinations",
    type=OrOff("addresses", _destinations),
    help="The only destinations of withdrawals, separated by commas.",
)
@click.option(
    "--new-destination-hours",
    type=OrOff("hours", _hours),
    help="Hours until a user's new destination may be paid.",
)
@click.option(
    "--approval-above",
    type=OrOff("amount", _above),
    help="A withdrawal of more than this must be approved by a second API key.",
)
@click.option(
    "--approval-hours",
    type=HOURS,
    help="Hours until a withdrawal that is not approved is canceled.",
)
@click.option(
    "--dispute-answer-hours",
    type=OrOff("hours", _hours),
    help="Hours until a dispute that support has not answered is published as an event.",
)
@click.option(
    "--dispute-decision-hours",
    type=OrOff("hours", _hours),
    help="Hours until a dispute that support has not decided is published as an event.",
)
@click.option(
    "--payout-redirects",
    type=click.Choice(("OPERATOR", "MARKETPLACE"), case_sensitive=False),
    help="Who may redirect a payout that the network refuses.",
)
def command(
    place: Place,
    *,
    marketplace: str,
    credits_: str | None,
    fee_bps: int | None,
    party_fee_bps: int | None,
    **others: object,
) -> Answer:
    """Change the given settings, and print all settings.

    Raises: NoPlaceError; NoSuchMarketplaceError; psycopg.Error.
    """
    place.require_database()
    found = chosen(marketplace, database_url=place.database_url)
    if len(found) != 1:
        raise NoSuchMarketplaceError("choose configures one marketplace at a time; name it")
    given: dict[str, object] = {
        "allows_manual_credit": None if credits_ is None else credits_ == "on",
        "platform_fee_bps_marketplace": fee_bps,
        "platform_fee_bps_party": party_fee_bps,
        **others,
    }
    chosen_now = {
        name: None if value is Off.OFF else value
        for name, value in given.items()
        if value is not None
    }
    if chosen_now:
        keep(place, "choose", marketplace=found[0].label, **chosen_now)
    held = apply(place.database_url, found[0], chosen=chosen_now, operator=place.operator)
    return _said(found[0], held)


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
            f"least of a withdrawal: {_amount(held['withdrawal_least']) or 'off'}",
            f"most of a withdrawal: {_amount(held['withdrawal_most']) or 'off'}",
            f"most of a user in 24 hours: {_amount(held['withdrawal_most_per_day']) or 'off'}",
            f"destinations of withdrawals: {_listed(held['withdrawal_destinations'])}",
            f"hours that a new destination waits: {held['new_destination_hours'] or 'off'}",
            f"a second key approves more than: {_amount(held['approval_above']) or 'off'}",
            f"a withdrawal that is not approved is canceled after {held['approval_hours']} hours",
            f"hours for the first answer to a dispute: {held['dispute_answer_hours'] or 'off'}",
            f"hours for the decision of a dispute: {held['dispute_decision_hours'] or 'off'}",
            f"payouts are redirected by: {held['payout_redirects'].lower()}",
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
            "withdrawalLeast": held["withdrawal_least"],
            "withdrawalMost": held["withdrawal_most"],
            "withdrawalMostPerDay": held["withdrawal_most_per_day"],
            "withdrawalDestinations": held["withdrawal_destinations"],
            "newDestinationHours": held["new_destination_hours"],
            "approvalAbove": held["approval_above"],
            "approvalHours": held["approval_hours"],
            "disputeAnswerHours": held["dispute_answer_hours"],
            "disputeDecisionHours": held["dispute_decision_hours"],
            "payoutRedirects": held["payout_redirects"],
        },
    )


def apply(
    database_url: str, marketplace: Named, *, chosen: Mapping[str, object], operator: str
) -> dict[str, Any]:
    """Change settings of a marketplace; returns all. chosen: columns of orders.marketplaces.

    operator: the name to record in the audit trail.
    """
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute(_MAKE, (marketplace.id,))
        before = connection.execute(_READ, (marketplace.id,)).fetchone()
        for column, value in chosen.items():
            statement = sql.SQL(_CHOOSE).format(sql.Identifier(column))
            connection.execute(statement, (value, marketplace.id))
        held = connection.execute(_READ, (marketplace.id,)).fetchone()
        changed = [name for name in chosen if before and held and before[name] != held[name]]
        if before and held and changed:
            change = Change(
                action="marketplace.choose",
                target_type="marketplace",
                target_id=str(marketplace.id),
                before={to_camel(name): before[name] for name in changed},
                after={to_camel(name): held[name] for name in changed},
            )
            note(connection, "orders", change, marketplace_id=marketplace.id, operator=operator)
    if held is None:
        raise LookupError(marketplace.id)
    return held


def _amount(minor_units: int | None) -> str:
    return "" if minor_units is None else to_text(minor_units)


def _listed(destinations: list[str] | None) -> str:
    return "off" if destinations is None else ", ".join(destinations) or "none is allowed"


def _bps(value: int | None) -> str:
    return "the service's default" if value is None else f"{value} basis points"
