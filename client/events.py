"""Events as they happen, over server-sent events; the stream continues after a lost connection."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, ServerSentEvent, aconnect_sse, connect_sse

from . import exchange
from .errors import ConnectionFailed
from .exchange import Answer

PATH = "/events"
# The server sends a ping more often. A connection that is silent for longer is lost.
SILENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Event:
    """An event. id: a later stream continues after it. type: order.created and so on."""

    id: str
    type: str
    data: dict[str, Any]


class Place:
    """A reader's position in the stream: the last event, and the failed connections since."""

    def __init__(self, after: str | None, opened: Callable[[], None] | None = None) -> None:
        """after: the id of the last event that the reader has; None: only new events.

        opened: called for each connection from which events come.
        """
        self._after = after
        self._opened = opened
        self._failures = 0

    def open(self) -> None:
        """Note that the server sends events from now on."""
        if self._opened is not None:
            self._opened()

    def headers(self) -> dict[str, str]:
        """Return the headers that continue the stream after the last event."""
        return {} if self._after is None else {"Last-Event-ID": self._after}

    def taken(self, sent: ServerSentEvent) -> Event | None:
        """Move on to an event and return it; None: it is a ping."""
        self._failures = 0
        if sent.event == "ping" or not sent.data:
            return None
        if sent.id:
            self._after = sent.id
        return Event(id=sent.id, type=sent.event, data=json.loads(sent.data))

    def failed(self, outcome: Answer | ConnectionFailed, *, retries: int) -> float:
        """Return the pause before the next connection. Raises: APIError; ConnectionFailed."""
        self._failures += 1
        pause = exchange.pause_before_next(outcome, attempt=self._failures, retries=retries)
        if pause is None:
            exchange.result(outcome)
            raise ConnectionFailed("The stream of events cannot be read")
        return pause


def options(types: str | None, resource_types: str | None) -> dict[str, Any]:
    """Return the arguments of the stream's request. Both filters are lists separated by commas."""
    wanted = {"types": types, "resourceTypes": resource_types}
    return {
        "params": {name: value for name, value in wanted.items() if value is not None},
        "timeout": httpx.Timeout(10.0, read=SILENCE_SECONDS),
    }


def refusal(source: EventSource) -> Answer | None:
    """Return the answer if it is not a stream; the caller has read its body."""
    response = source.response
    if response.status_code == httpx.codes.OK:
        return None
    return Answer(response.status_code, response.headers, response.content)


def lost(error: httpx.TransportError | None) -> ConnectionFailed:
    """Return the error that says how a connection ended."""
    return ConnectionFailed(
        f"GET {PATH}: {error!r}" if error else f"GET {PATH}: the server ended it"
    )


def read(http: httpx.Client, place: Place, request: dict[str, Any]) -> Iterator[Event | Answer]:
    """Yield the events of one connection, or the answer that refused it."""
    with connect_sse(http, "GET", PATH, headers=place.headers(), **request) as source:
        if source.response.status_code != httpx.codes.OK:
            source.response.read()
        refused = refusal(source)
        if refused is not None:
            yield refused
            return
        place.open()
        for sent in source.iter_sse():
            event = place.taken(sent)
            if event is not None:
                yield event


async def aread(
    http: httpx.AsyncClient, place: Place, request: dict[str, Any]
) -> AsyncIterator[Event | Answer]:
    """Yield the events of one connection, or the answer that refused it."""
    async with aconnect_sse(http, "GET", PATH, headers=place.headers(), **request) as source:
        if source.response.status_code != httpx.codes.OK:
            await source.response.aread()
        refused = refusal(source)
        if refused is not None:
            yield refused
            return
        place.open()
        async for sent in source.aiter_sse():
            event = place.taken(sent)
            if event is not None:
                yield event
