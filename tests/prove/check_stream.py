"""Checks of the stream: it has every event of the outboxes, each aggregate in order."""

import json
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import nats

from chassis.nats_settings import STREAM
from tests.outboxes import kept as kept_in
from tests.prove.checking import Check, check

READ_SECONDS = 10.0
SCHEMAS = ("orders", "ledger", "escrow", "disputes", "webhooks")


async def check_stream(database_url: str, *, nats_url: str, authority: str) -> list[Check]:
    """Compare the stream with the outboxes: the same events, the same bodies, in order.

    The URLs are administrators'. authority: the file of that of NATS.
    """
    return compare(kept_in_all(database_url), await messages(nats_url, authority))


def kept_in_all(database_url: str) -> dict[str, dict[str, Any]]:
    """Read the events of every outbox, by their ids."""
    return {
        event["eventId"]: event for schema in SCHEMAS for event in kept_in(database_url, schema)
    }


def compare(
    kept: Mapping[str, dict[str, Any]], heard: Iterable[tuple[str, dict[str, Any]]]
) -> list[Check]:
    """Compare what is kept, by its id, with what was heard, in the order of hearing. Pure."""
    first: dict[str, dict[str, Any]] = {}
    last: dict[tuple[str, ...], int] = defaultdict(int)
    jumps, other = [], []
    for name, body in heard:
        if name in first:
            continue
        first[name] = body
        who = (
            body["metadata"]["marketplaceId"],
            body["aggregateType"],
            body["aggregateId"],
        )
        if body["version"] != last[who] + 1:
            jumps.append((who, last[who], body["version"]))
        last[who] = body["version"]
        if name in kept and kept[name] != body:
            other.append(name)
    return [
        check("every event is told", len(kept), set(kept) - set(first)),
        check("nothing is told that did not happen", len(first), set(first) - set(kept)),
        check("every event is told as it is kept", len(first), other),
        check("the events of each aggregate come in order, without a gap", len(last), jumps),
    ]


async def messages(url: str, authority: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the whole stream: each message's id and body."""
    client = await nats.connect(url, tls=ssl.create_default_context(cafile=authority))
    try:
        context = client.jetstream()
        count = (await context.stream_info(STREAM)).state.messages
        subscription = await context.subscribe("", stream=STREAM, ordered_consumer=True)
        found = []
        for _ in range(count):
            message = await subscription.next_msg(timeout=READ_SECONDS)
            headers = message.headers or {}
            found.append((headers["Nats-Msg-Id"], json.loads(message.data)))
        return found
    finally:
        await client.close()
