"""Checks of the stream: it has every event of the outboxes, each aggregate in order."""

import json
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

import nats

from chassis.nats_settings import STREAM
from kernel.ids import to_public
from tests.prove.checking import Check, check, read

READ_SECONDS = 10.0
_OUTBOX: Mapping[str, LiteralString] = {
    "orders": "select * from orders.outbox",
    "ledger": "select * from ledger.outbox",
    "escrow": "select * from escrow.outbox",
    "disputes": "select * from disputes.outbox",
    "webhooks": "select * from webhooks.outbox",
}


async def check_stream(database_url: str, *, nats_url: str, authority: str) -> list[Check]:
    """Compare the stream with the outboxes: the same events, the same bodies, in order.

    The URLs are administrators'. authority: the file of that of NATS.
    """
    kept = {
        to_public("evt", row["event_id"]): row
        for statement in _OUTBOX.values()
        for row in read(database_url, statement)
    }
    return compare(kept, await messages(nats_url, authority))


def compare(
    kept: Mapping[str, Mapping[str, Any]], heard: Iterable[tuple[str, dict[str, Any]]]
) -> list[Check]:
    """Compare what is kept, by its id, with what was heard, in the order of hearing. Pure."""
    told: dict[str, dict[str, Any]] = {}
    last: dict[tuple[str, ...], int] = defaultdict(int)
    jumps, other = [], []
    for name, body in heard:
        if name in told:
            continue
        told[name] = body
        who = (
            body["metadata"]["marketplaceId"],
            body["aggregateType"],
            body["aggregateId"],
        )
        if body["version"] != last[who] + 1:
            jumps.append((who, last[who], body["version"]))
        last[who] = body["version"]
        if name in kept and json.loads(kept[name]["body"]) != body:
            other.append(name)
    return [
        check("every event is told", len(kept), set(kept) - set(told)),
        check("nothing is told that did not happen", len(told), set(told) - set(kept)),
        check("every event is told as it is kept", len(told), other),
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
