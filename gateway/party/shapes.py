"""The building blocks of the party API's shapes: fields, and how values are printed.

Each shape is declared once, as a typed dictionary. Answers have this type, and the OpenAPI document
describes it. The functions here and in the resources' files use only the messages that they are
given. A replayed answer therefore has the same bytes as the first one.
"""

import datetime as dt
from typing import Annotated, Any, NotRequired

import orjson
import pydantic
from google.protobuf import timestamp_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StringConstraints,
    WithJsonSchema,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from chassis.wire import instant_from_proto
from gateway.models import Cursor, PageSize
from kernel.urls import LONGEST, InvalidUrl, require_url

EVIDENCE_MAX = 20
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
# A JSON number that is printed from decimal digits.
Number = Annotated[
    orjson.Fragment,
    GetPydanticSchema(lambda _, make: make(float)),
    WithJsonSchema({"type": "number", "examples": [150.00]}),
]
# A stored JSON object, sent exactly as it was stored.
StoredObject = Annotated[orjson.Fragment, GetPydanticSchema(lambda _, make: make(dict[str, Any]))]


@with_config(ConfigDict(extra="forbid"))
class Output(TypedDict):
    """A part of an answer: printed as it is, with these fields and no others."""


class Request(pydantic.BaseModel):
    """A body or a query string; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Request):
    """A body without fields; it may be left out."""


class Paging(Request):
    """One page of a list."""

    limit: PageSize = 20
    cursor: Cursor | None = None

    def message(self) -> common_pb2.PageRequest:
        """Return the page's size and cursor as a message."""
        return common_pb2.PageRequest(page_size=self.limit, page_token=self.cursor or "")


class FieldError(Output):
    """The problem of one field."""

    field: str
    message: str


class Failure(Output):
    """A refusal: a code for programs, a message for people, facts, and any invalid fields."""

    code: str
    message: str
    detail: dict[str, Any]
    errors: NotRequired[Annotated[list[FieldError], Field(min_length=1)]]


def _url(value: str) -> str:
    try:
        return require_url(value, field="")
    except InvalidUrl as error:
        (_, problem), *_ = error.fields
        raise PydanticCustomError("invalid_url", "{problem}", {"problem": problem}) from None


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(_url),
    Field(description="https; stored and shown, never fetched."),
]


def time(at: timestamp_pb2.Timestamp) -> str:
    """Format an instant, cut to seconds: 2026-02-27T10:30:00Z."""
    return instant_from_proto(at).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_or_none(message: Message, name: str) -> str | None:
    """Format a message's instant; None if it is not set."""
    return time(getattr(message, name)) if message.HasField(name) else None


def stored_object(text: str) -> orjson.Fragment:
    """Return a stored JSON object unchanged, for the answer; an empty object if there is none."""
    return orjson.Fragment(text or "{}")


def enum_name(enum: EnumTypeWrapper, value: int) -> str:
    """Return the name of an enum's value without the enum's own name, in lower case."""
    prefix = enum.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    text: str = enum.Name(value)
    return text.removeprefix(prefix).lower()
