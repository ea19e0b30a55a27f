"""`logs`: list the requests that were made with your key, newest first.

With --follow, requests are printed as they are made, until Ctrl-C. A request appears in the log a
second or two after its answer, without its body and its query string.
"""

import datetime as dt
import re
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import click

from deploy.developer.command import SHOWN, Session, calling
from deploy.developer.tables import columns, page_size
from deploy.operator.answers import Answer

COUNT = 20
POLL_SECONDS = 1.0
# Replicas of the gateway write their requests at different times. A new row can be this old.
LATE = dt.timedelta(seconds=15)
# The limit of rows that are read at once while following.
FOLLOWED_MAX = 1_000
_KEY = re.compile(r"ohk_[a-z]+_([0-9A-Za-z]+)_", re.ASCII)


@calling("logs", about=__doc__)
@click.option("--status", help="Only these: 404, or a class such as 4xx.")
@click.option("--all", "is_all", is_flag=True, help="Of every key and person of the marketplace.")
@click.option("--follow", is_flag=True, help="Print requests as they are made.")
@click.option(
    "--count",
    type=click.IntRange(1),
    help=f"The most to list, {COUNT} by default; with --follow, end after so many.",
)
def command(
    session: Session, *, status: str | None, is_all: bool, follow: bool, count: int | None
) -> Answer:
    """List the requests, or follow them. Raises: as the API refuses."""
    key = _KEY.match(session.place.api_key)
    actor = None if is_all or key is None else f"key:{key[1]}"
    if follow:
        found = followed(session, status=status, actor=actor)
        for one in islice(found, count):
            session.show("  ".join(cells(one)), {"requests": [one]})
        return SHOWN
    most = count or COUNT
    listed = session.api.list_requests(limit=page_size(most), status=status, actor=actor)
    requests = list(islice(listed, most))
    return Answer(lines=columns([cells(one) for one in requests]), document={"requests": requests})


def followed(
    session: Session, *, status: str | None, actor: str | None
) -> Iterator[Mapping[str, Any]]:
    """Yield the requests that appear from now on, oldest first. Raises: as the API refuses."""

    def after(start: str | None, *, size: int) -> list[Mapping[str, Any]]:
        found = session.api.list_requests(
            limit=page_size(size), status=status, actor=actor, from_=start
        )
        return list(islice(found, size))

    start = _before(after(None, size=1))
    known = after(start, size=FOLLOWED_MAX) if start else []
    session.progress("Following.")
    while True:
        time.sleep(POLL_SECONDS)
        ids = {one["id"] for one in known}
        known = after(start, size=FOLLOWED_MAX)
        yield from (one for one in reversed(known) if one["id"] not in ids)
        start = _before(known) or start


def cells(one: Mapping[str, Any]) -> list[str]:
    """Return the cells of a line: time, status, request, duration, code and request id."""
    return [
        one["at"],
        str(one["status"]),
        one["method"],
        one["path"],
        f"{one['milliseconds']} ms",
        one["code"] or "-",
        one["requestId"],
    ]


def _before(found: list[Mapping[str, Any]]) -> str | None:
    """Return the time from which new rows may still appear; None: no rows were found.

    found: newest first.
    """
    if not found:
        return None
    at = dt.datetime.fromisoformat(found[0]["at"]) - LATE
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
