"""`choose`: what a marketplace has chosen, and choose otherwise, as an administrator."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from deploy.operator.marketplaces import Named

FEE_BPS_MAX = 9900
DAYS_MAX = 365
_MAKE = "insert into orders.marketplaces (id) values (%s) on conflict do nothing"
_CHOOSE = "update orders.marketplaces set {} = %s where id = %s"
_READ = """
select allows_manual_credit, platform_fee_bps_marketplace, platform_fee_bps_party,
       auto_confirm_days
from orders.marketplaces where id = %s
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--credits", choices=["on", "off"], help="manual credits")
    parser.add_argument("--fee-bps", type=_between(0, FEE_BPS_MAX), help="of orders by key")
    parser.add_argument("--party-fee-bps", type=_between(0, FEE_BPS_MAX), help="of orders by token")
    parser.add_argument("--auto-confirm-days", type=_between(1, DAYS_MAX))


def run(database_url: str, marketplace: Named, arguments: argparse.Namespace) -> int:
    """Choose, and say what holds; returns the exit code.

    database_url: of a role that may write orders.marketplaces. Raises: psycopg.Error.
    """
    held = apply(database_url, marketplace, chosen=_chosen(arguments))
    print(f"manual credits: {'on' if held['allows_manual_credit'] else 'off'}")
    print(f"platform fee, orders by key: {_bps(held['platform_fee_bps_marketplace'])}")
    print(f"platform fee, orders by token: {_bps(held['platform_fee_bps_party'])}")
    print(f"a delivery counts as accepted after {held['auto_confirm_days']} days")
    return 0


def apply(database_url: str, marketplace: Named, *, chosen: Mapping[str, object]) -> dict[str, Any]:
    """Choose for a marketplace; returns what holds. chosen: columns of orders.marketplaces."""
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        connection.execute(_MAKE, (marketplace.id,))
        for column, value in chosen.items():
            statement = sql.SQL(_CHOOSE).format(sql.Identifier(column))
            connection.execute(statement, (value, marketplace.id))
        held = connection.execute(_READ, (marketplace.id,)).fetchone()
    if held is None:
        raise LookupError(marketplace.id)
    return held


def _chosen(arguments: argparse.Namespace) -> dict[str, object]:
    given = {
        "allows_manual_credit": None if arguments.credits is None else arguments.credits == "on",
        "platform_fee_bps_marketplace": arguments.fee_bps,
        "platform_fee_bps_party": arguments.party_fee_bps,
        "auto_confirm_days": arguments.auto_confirm_days,
    }
    return {name: value for name, value in given.items() if value is not None}


def _between(smallest: int, largest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(f"from {smallest} to {largest}")
        return value

    return number


def _bps(value: int | None) -> str:
    return "the service's default" if value is None else f"{value} basis points"
