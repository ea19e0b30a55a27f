"""`events`: print the events of the marketplace as they happen.

Begins with the events after its start, or after the one of --after. A lost connection is continued.
Ends with Ctrl-C.
"""

from functools import partial
from itertools import islice

import click

from client import Event, Marketplace
from deploy.developer.command import SHOWN, Session, calling
from deploy.developer.listen import RETRIES
from deploy.operator.answers import Answer


@calling("events", about=__doc__)
@click.option("--types", help="Only these: order.*,withdrawal.failed. Otherwise all.")
@click.option("--after", help="Begin after this event: its place, as --json prints it.")
@click.option("--count", type=click.IntRange(1), help="End after so many events.")
def command(session: Session, *, types: str | None, after: str | None, count: int | None) -> Answer:
    """Print them. Raises: as the API refuses."""
    opened = partial(session.progress, "Listening.")
    with Marketplace(session.place.api_key, base_url=session.place.url, retries=RETRIES) as api:
        for event in islice(api.events(types=types, after=after, opened=opened), count):
            session.show(_line(event), {"place": event.id, "event": event.data})
    return SHOWN


def _line(event: Event) -> str:
    found = event.data
    return f"{found['occurredAt']}  {event.type}  {found['aggregateId']}  {found['eventId']}"
