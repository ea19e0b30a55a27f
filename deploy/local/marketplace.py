"""`make marketplace`: what a marketplace of the running stack has chosen, and choose otherwise.

make marketplace NAME=demo CREDITS=on FEE_BPS=250 PARTY_FEE_BPS=1000 AUTO_CONFIRM_DAYS=3
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from deploy.local import settings, state

FEE_BPS_MAX = 9900
DAYS_MAX = 365
_FIND = "select id from gateway.marketplaces where name = %s and environment = %s"
_MAKE = "insert into orders.marketplaces (id) values (%s) on conflict do nothing"
_CHOOSE = "update orders.marketplaces set {} = %s where id = %s"
_READ = "select * from orders.marketplaces where id = %s"


def apply(
    database_url: str, *, name: str, environment: str, chosen: Mapping[str, object]
) -> dict[str, Any]:
    """Choose for a marketplace by its name, as the database's administrator; returns what holds.

    chosen: columns of orders.marketplaces. Raises: LookupError: there is no such marketplace.
    """
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        found = connection.execute(_FIND, (name, environment)).fetchone()
        if found is None:
            raise LookupError(f"there is no marketplace {name!r} ({environment})")
        connection.execute(_MAKE, (found["id"],))
        for column, value in chosen.items():
            statement = sql.SQL(_CHOOSE).format(sql.Identifier(column))
            connection.execute(statement, (value, found["id"]))
        held = connection.execute(_READ, (found["id"],)).fetchone()
    if held is None:
        raise LookupError(found["id"])
    return held


def _between(smallest: int, largest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not smallest <= value <= largest:
            raise argparse.ArgumentTypeError(f"from {smallest} to {largest}")
        return value

    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make marketplace", description=__doc__)
    parser.add_argument("--name", default="demo")
    parser.add_argument("--environment", choices=["live", "test"], default="live")
    parser.add_argument("--credits", choices=["on", "off"], help="manual credits")
    parser.add_argument("--fee-bps", type=_between(0, FEE_BPS_MAX), help="of orders by key")
    parser.add_argument("--party-fee-bps", type=_between(0, FEE_BPS_MAX), help="of orders by token")
    parser.add_argument("--auto-confirm-days", type=_between(1, DAYS_MAX))
    return parser.parse_args()


def _chosen(arguments: argparse.Namespace) -> dict[str, object]:
    given = {
        "allows_manual_credit": None if arguments.credits is None else arguments.credits == "on",
        "platform_fee_bps_marketplace": arguments.fee_bps,
        "platform_fee_bps_party": arguments.party_fee_bps,
        "auto_confirm_days": arguments.auto_confirm_days,
    }
    return {name: value for name, value in given.items() if value is not None}


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    arguments = _arguments()
    read = settings.load()
    stack = state.read(read.run_dir)
    if stack is None:
        sys.stderr.write(f"no stack runs in {read.run_dir}; start one with `make run`\n")
        return 1
    try:
        held = apply(
            stack["databaseUrl"],
            name=arguments.name,
            environment=arguments.environment,
            chosen=_chosen(arguments),
        )
    except LookupError as error:
        sys.stderr.write(f"marketplace: {error.args[0]}\n")
        return 1
    print(f"manual credits: {'on' if held['allows_manual_credit'] else 'off'}")
    print(f"platform fee, orders by key: {_bps(held['platform_fee_bps_marketplace'])}")
    print(f"platform fee, orders by token: {_bps(held['platform_fee_bps_party'])}")
    print(f"a delivery counts as accepted after {held['auto_confirm_days']} days")
    return 0


def _bps(value: int | None) -> str:
    return "the service's default" if value is None else f"{value} basis points"


if __name__ == "__main__":
    sys.exit(main())
