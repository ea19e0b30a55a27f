"""`clock`: show the clock of a test marketplace, and move it on."""

from collections.abc import Mapping
from typing import Any

import click

from deploy.developer.command import Session, calling
from deploy.operator.answers import Answer


@calling("show", about="Show the marketplace's time.")
def show(session: Session) -> Answer:
    """Show the clock. Raises: as the API refuses."""
    return _answer(session.api.get_marketplace())


@calling("advance", about="Move the time of a test marketplace on: 90s, 30m, 12h or 8d.")
@click.argument("by")
def advance(session: Session, *, by: str) -> Answer:
    """Move the clock forward. Raises: as the API refuses."""
    return _answer(session.api.advance_clock(advance=by))


def _answer(found: Mapping[str, Any]) -> Answer:
    moved = found["clockOffsetSeconds"]
    return Answer(
        lines=[f"{found['time']}  ({moved} s ahead)" if moved else found["time"]],
        document={
            "marketplace": found["name"],
            "environment": found["environment"],
            "time": found["time"],
            "clockOffsetSeconds": moved,
        },
    )


group = click.Group(
    "clock", help="Show and move the clock of a test marketplace.", commands=[show, advance]
)
