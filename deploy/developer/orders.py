"""`orders`: list orders, and show one with everything that happened to it."""

from collections.abc import Mapping
from typing import Any

import click

from deploy.developer.command import Session, calling
from deploy.developer.tables import columns, count, listed, page_size, shown
from deploy.operator.answers import Answer


@calling("list", about="List orders, newest first.")
@click.option("--status", help="Such as IN_PROGRESS.")
@click.option("--buyer", help="A user's id.")
@click.option("--seller", help="A user's id.")
@count
def listing(session: Session, *, count: int, status: Any, buyer: Any, seller: Any) -> Answer:
    """List orders. Raises: as the API refuses."""
    found = session.api.list_orders(
        limit=page_size(count), status=status, buyerId=buyer, sellerId=seller
    )
    return listed("orders", found, most=count, show="id status amount createdAt title")


@calling("show", about="Show an order, and everything that happened to it.")
@click.argument("order")
def show(session: Session, *, order: str) -> Answer:
    """Show an order with its timeline. Raises: as the API refuses."""
    found = session.api.get_order(order)
    timeline = session.api.get_timeline(order)["entries"]
    return Answer(
        lines=[*shown(found), "", *columns([_cells(one) for one in timeline])],
        document={"order": found, "timeline": timeline},
    )


def _cells(entry: Mapping[str, Any]) -> list[str]:
    return [entry["at"] or "", entry["kind"], entry["name"]]


group = click.Group("orders", help="List and show orders.", commands=[listing, show])
