"""`audit`: list the changes of the marketplace, newest first."""

import click

from deploy.developer.command import Session, calling
from deploy.developer.tables import count, listed, page_size
from deploy.operator.answers import Answer


@calling("audit", about=__doc__)
@click.option("--actor", help="Only those of a key, a person or an operator: key:3aFh….")
@click.option("--action", help="Only these: order.release.")
@click.option("--about", "target", help="Only those of an order, a user, a webhook … by its id.")
@click.option("--since", help="Only those from this instant on: 2026-02-18T10:00:00Z.")
@count
def command(
    session: Session,
    *,
    count: int,
    actor: str | None,
    action: str | None,
    target: str | None,
    since: str | None,
) -> Answer:
    """List the changes that match the filters. Raises: as the API refuses."""
    found = session.api.list_audit(
        limit=page_size(count), actor=actor, action=action, targetId=target, since=since
    )
    return listed("lines", found, most=count, show="at actor action targetId requestId")
