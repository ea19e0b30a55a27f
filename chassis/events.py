"""Events read from the stream: parsed once, and not trusted."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_EVENT_ID = re.compile(r"evt_[0-9A-Za-z]{1,64}", re.ASCII)
_TYPE = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,60}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event. sequence: its position in the stream. data: its JSON in one line, as published."""

    sequence: int
    marketplace_id: str
    type: str
    body: Mapping[str, Any]
    data: bytes

    @property
    def event_id(self) -> str:
        """The event's own id."""
        return str(self.body["eventId"])


def event_of(subject: str, data: bytes, *, sequence: int) -> Event | None:
    """Parse a message; None: it is not a complete event, and no client may get it.

    Source: reference §5, on the fields of every event.
    """
    try:
        body = orjson.loads(data)
        marketplace_id = body["metadata"]["marketplaceId"]
        is_event = (
            _EVENT_ID.fullmatch(body["eventId"]) is not None
            and _TYPE.fullmatch(subject) is not None
            and body["eventType"] == subject
            and _INSTANT.fullmatch(body["occurredAt"]) is not None
            and all(isinstance(body[name], str) for name in ("aggregateId", "aggregateType"))
            and type(body["version"]) is int
            and body["version"] > 0
            and isinstance(body["payload"], dict)
            and isinstance(marketplace_id, str)
        )
    except (ValueError, TypeError, LookupError):
        return None
    if not is_event:
        return None
    # A line break would end the `data:` line of a server-sent event.
    line = orjson.dumps(body) if b"\n" in data or b"\r" in data else data
    return Event(
        sequence=sequence, marketplace_id=marketplace_id, type=subject, body=body, data=line
    )


def is_typed(event_type: str, types: Collection[str]) -> bool:
    """Return whether a type matches one of the names or families (`order.*`). Empty: all match."""
    return not types or event_type in types or f"{event_type.partition('.')[0]}.*" in types
