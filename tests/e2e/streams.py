"""Clients of the event stream: one for server-sent events, one for NATS."""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import nats
from nats.aio.msg import Msg

from chassis.nats_settings import SUBJECTS
from tests.shop import WAIT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One received event. id: the position in the stream, empty on NATS."""

    id: str
    type: str
    body: dict[str, Any]

    @property
    def event_id(self) -> str:
        """The event's own id."""
        return str(self.body["eventId"])


@dataclass(slots=True)
class Reader:
    """The events received since the block began, and the number of pings."""

    told: list[Told] = field(default_factory=list)
    pings: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, told: Told) -> None:
        """Take one event or ping."""
        if told.type == "ping":
            self.pings += 1
        else:
            self.told.append(told)
        self._changed.set()

    async def until(self, condition: Callable[["Reader"], bool], *, what: str) -> None:
        """Wait until a condition holds. Raises: AssertionError: a timeout, with `what`."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not condition(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            types = [told.type for told in self.told[-20:]]
            raise AssertionError(f"{what}; told at last: {types}") from None

    async def until_told(self, event_id: str) -> None:
        """Wait until an event has arrived."""
        await self.until(
            lambda reader: any(told.event_id == event_id for told in reader.told),
            what=f"{event_id} was not told",
        )


@asynccontextmanager
async def reading(
    client: httpx.AsyncClient, *, after: str = "", **query: str
) -> AsyncIterator[Reader]:
    """Stream events for the block. after: Last-Event-ID; query: types, resourceTypes."""
    headers = {"Last-Event-ID": after} if after else {}
    reader = Reader()
    async with client.stream("GET", "/events", params=query, headers=headers) as answer:
        assert answer.status_code == 200, answer
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        task = asyncio.ensure_future(_read(answer, reader))
        try:
            await reader.until(lambda found: found.pings > 0, what="nothing was said at once")
            yield reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _read(answer: httpx.Response, reader: Reader) -> None:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        body = json.loads(fields["data"])
        reader.take(Told(id=fields.get("id", ""), type=fields["event"], body=body))
        fields = {}


@asynccontextmanager
async def subscribed(stack: Mapping[str, Any]) -> AsyncIterator[Reader]:
    """Subscribe to every event with plain NATS, without a consumer. stack: its stack.json."""
    reader = Reader()

    async def take(message: Msg) -> None:
        reader.take(Told(id="", type=message.subject, body=json.loads(message.data)))

    believed = ssl.create_default_context(cafile=stack["natsCaFile"])
    client = await nats.connect(stack["natsUrl"], tls=believed)
    try:
        for subject in SUBJECTS:
            await client.subscribe(subject, cb=take)
        await client.flush()
        yield reader
    finally:
        await client.close()


def versions(told: Iterable[Told]) -> dict[str, list[int]]:
    """List the versions of each aggregate in the order of arrival."""
    found: dict[str, list[int]] = defaultdict(list)
    for one in told:
        # Two marketplaces may call their users the same.
        owner = one.body["metadata"]["marketplaceId"]
        name = f"{owner} {one.body['aggregateType']} {one.body['aggregateId']}"
        found[name].append(one.body["version"])
    return found


def without_gap(told: Sequence[Told]) -> bool:
    """Tell whether each aggregate's versions increase by one, each once."""
    return all(
        found == list(range(found[0], found[0] + len(found))) for found in versions(told).values()
    )
