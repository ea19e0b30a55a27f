"""What a handler answers, before it is bytes."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[BodyT]):
    """A JSON document, in the shape that the OpenAPI document says.

    is_accepted: the operation is still in progress; the status is 202 instead of the route's own.
    """

    body: BodyT
    is_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """An answer without an end: server-sent events.

    until: returns when the caller's credential ends, which ends the stream.
    """

    chunks: AsyncGenerator[bytes]
    until: Callable[[], Coroutine[Any, Any, None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A file that is made while it is sent. name: what a browser stores it as."""

    name: str
    chunks: AsyncGenerator[bytes]
