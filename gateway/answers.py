"""The answers that a handler returns, before they are serialized."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[BodyT]):
    """A JSON document, in the shape that the OpenAPI document declares.

    is_accepted: the operation is still in progress: the status is 202 instead of the route's own.
    """

    body: BodyT
    is_accepted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """An endless answer: server-sent events.

    until: returns when the caller's credential ends; the stream then ends too.
    """

    chunks: AsyncGenerator[bytes]
    until: Callable[[], Coroutine[Any, Any, None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """A file that is generated while it is sent. name: the file name for the browser."""

    name: str
    chunks: AsyncGenerator[bytes]
