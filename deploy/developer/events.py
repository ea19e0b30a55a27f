"""`events`: print the events of the marketplace: as they happen, or those of the last days."""

from functools import partial
from itertools import islice

import click

from client import Event, Marketplace
from deploy.developer.command import SHOWN, Session, calling
from deploy.developer.listen import RETRIES
from deploy.developer.tables import count, listed, page_size
from deploy.operator.answers import Answer


@calling(
    "tail",
    about="Print events as they happen. A lost connection is continued. Ends with Ctrl-C.",
)
@click.option("--types", help="Only these: order.*,withdrawal.failed. Otherwise all.")
@click.option("--after", help="Begin after this event: its place, as --json prints it.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
def tail(session: Session, *, types: str | None, after: str | None, count: int | None) -> Answer:
    """Print events as they happen. Raises: as the API refuses."""
    opened = partial(session.progress, "Listening.")
    with Marketplace(session.place.api_key, base_url=session.place.url, retries=RETRIES) as api:
        for event in islice(api.events(types=types, after=after, opened=opened), count):
            session.show(_line(event), {"place": event.id, "event": event.data})
    return SHOWN


@calling("list", about="List the events of the last 30 days, newest first.")
@click.option("--types", help="Only these: order.*,withdrawal.failed. Otherwise all.")
@click.option("--about", "aggregate", help="Only those of an order, a withdrawal … by its id.")
@count
def listing(session: Session, *, count: int, types: str | None, aggregate: str | None) -> Answer:
    """List the events of the last days. Raises: as the API refuses."""
    found = session.api.list_events(limit=page_size(count), types=types, aggregateId=aggregate)
    return listed("events", found, most=count, show="occurredAt eventType aggregateId eventId")


def _line(event: Event) -> str:
    found = event.data
    return f"{found['occurredAt']}  {event.type}  {found['aggregateId']}  {found['eventId']}"


group = click.Group("events", help="Print events: tail, or list.", commands=[tail, listing])
