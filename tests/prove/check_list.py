"""Checks of the list of events: webhooks has every event of the outboxes, each with its body."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from services.webhooks.packing import Said, unpacked
from tests.patience import PATIENCE_SECONDS, pauses
from tests.prove.check_stream import kept_in_all
from tests.prove.checking import Check, check, read

_LISTED = """
select marketplace_id, id as event_id, type as event_type, occurred_at, aggregate_type,
       aggregate_id, body, packed
from webhooks.events
"""


async def check_list(database_url: str) -> list[Check]:
    """Compare the list with the outboxes, once webhooks has had time to write it.

    database_url: an administrator's.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    for pause in pauses():
        kept, listed = kept_in_all(database_url), _listed(database_url)
        if kept.keys() == listed.keys() or time.monotonic() > deadline:
            return compare(kept, listed)
        await asyncio.sleep(pause)
    raise AssertionError("pauses end")


def compare(
    kept: Mapping[str, dict[str, Any]], listed: Mapping[str, dict[str, Any]]
) -> list[Check]:
    """Compare what is kept with what is listed, both by id. Pure."""
    both = kept.keys() & listed.keys()
    return [
        check("every event is in the list of events", len(kept), kept.keys() - listed.keys()),
        check("nothing is listed that did not happen", len(listed), listed.keys() - kept.keys()),
        check(
            "every event is listed as it is kept",
            len(both),
            [name for name in both if kept[name] != listed[name]],
        ),
    ]


def _listed(url: str) -> dict[str, dict[str, Any]]:
    return {row["event_id"]: json.loads(_body(row)) for row in read(url, _LISTED)}


def _body(row: dict[str, Any]) -> str:
    if row["packed"] is None:
        return str(row["body"])
    return unpacked(row["packed"], Said(**{name: row[name] for name in Said._fields}))
