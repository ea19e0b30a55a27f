"""The building blocks of the marketplace API's shapes: envelopes, fields, printed values.

Each shape is declared once, as a typed dictionary. Answers have this type, and the OpenAPI document
describes it. The functions here and in the resources' files use only the messages that they are
given. A replayed answer therefore has the same bytes as the first one.
"""

from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

import orjson
from google.protobuf import timestamp_pb2
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2
from pydantic import ConfigDict, Field, GetPydanticSchema, StringConstraints, with_config
from typing_extensions import TypedDict

from chassis.wire import milliseconds_text
from gateway.answers import Answer
from gateway.models import Cursor, PageSize, Request
from kernel import urls
from kernel.ids import parse_uuid, to_public
from kernel.money import USDC, to_text

DataT = TypeVar("DataT")
NameT = TypeVar("NameT", bound=str)

# Fields of answers.
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
# Orders have whole cents. Amounts that the chain moved may have more decimals.
Decimal = Annotated[
    str,
    StringConstraints(pattern=r"^-?\d+\.\d{2,7}$"),
    Field(
        description="Decimal string with two decimals; up to seven where the chain moved parts of "
        "a cent. Orders are in whole cents, so such a part stays with its owner."
    ),
]
OrderId = Annotated[str, StringConstraints(pattern=r"^ord_[0-9A-Za-z]{22}$")]
EscrowId = Annotated[str, StringConstraints(pattern=r"^esc_[0-9A-Za-z]{22}$")]
DisputeId = Annotated[str, StringConstraints(pattern=r"^dsp_[0-9A-Za-z]{22}$")]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
# A stored JSON object, sent exactly as it was stored.
StoredObject = Annotated[orjson.Fragment, GetPydanticSchema(lambda _, make: make(dict[str, Any]))]
Actor = Literal["BUYER", "SELLER", "SUPPORT", "SYSTEM"]

# Fields of requests.
Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
# The services decide which links are valid. The schema has the same rules, for clients.
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=urls.LONGEST),
    Field(
        description="https, with a host and without a user name",
        json_schema_extra={"pattern": r"^https://[^\s\\@/?#]+([/?#][^\s\\]*)?$"},
    ),
]


@with_config(ConfigDict(extra="forbid"))
class Output(TypedDict):
    """A part of an answer: printed as it is, with these fields and no others."""


class Success(Output, Generic[DataT]):
    """The envelope of every answer."""

    success: Literal[True]
    data: DataT


class Page(Output, Generic[DataT]):
    """The envelope of a list.

    `nextCursor` is the `cursor` of the next page; null: the last page.
    """

    success: Literal[True]
    data: list[DataT]
    hasMore: bool
    nextCursor: str | None


class FieldError(Output):
    """The problem of one field."""

    field: str
    message: str


@with_config(ConfigDict(extra="allow"))
class ErrorDetails(TypedDict):
    """Facts about a refusal. Its code decides which facts are present."""

    fields: NotRequired[list[FieldError]]


class ErrorBody(Output):
    """A refusal: a code for programs, a message for people."""

    code: str
    message: str
    details: ErrorDetails


class Failure(Output):
    """The envelope of every refusal."""

    success: Literal[False]
    error: ErrorBody


class Paging(Request):
    """One page of a list."""

    limit: PageSize = 20
    cursor: Cursor | None = None

    def message(self) -> common_pb2.PageRequest:
        """Return the page's size and cursor as a message."""
        return common_pb2.PageRequest(page_size=self.limit, page_token=self.cursor or "")


class Names(Generic[NameT]):
    """Maps the values of an enum to their names in the API, without the enum's own name."""

    def __init__(self, enum: EnumTypeWrapper, prefix: str) -> None:
        names = {value: name.removeprefix(prefix) for name, value in enum.items()}
        self._by_name: dict[str, Any] = {name: value for value, name in names.items()}
        # UNSPECIFIED is shown as null, even if a service should always set the value.
        self._by_value: dict[int, Any] = {**names, 0: None}

    def __getitem__(self, value: int) -> NameT:
        """Return the name of a value that is always set. Raises: KeyError: it is unknown."""
        name: NameT = self._by_value[value]
        return name

    def find(self, value: int) -> NameT | None:
        """Return the name of a value; None for UNSPECIFIED. Raises: KeyError: it is unknown."""
        return self[value]

    def value(self, name: NameT | None) -> Any:
        """Return the value for a name; UNSPECIFIED for None."""
        return self._by_name[name] if name else 0


PARTIES: Names[Actor] = Names(common_pb2.Party, "PARTY_")


def success(data: DataT, *, is_accepted: bool = False) -> Answer[Success[DataT]]:
    """Put data into the envelope. is_accepted: the operation is still in progress (202)."""
    return Answer(body={"success": True, "data": data}, is_accepted=is_accepted)


def page(items: list[DataT], *, next_token: str) -> Answer[Page[DataT]]:
    """Put a page of a list into its envelope."""
    return Answer(
        body={
            "success": True,
            "data": items,
            "hasMore": bool(next_token),
            "nextCursor": next_token or None,
        }
    )


def time(at: timestamp_pb2.Timestamp) -> str:
    """Format an instant with milliseconds."""
    return milliseconds_text(at)


def time_or_none(message: Message, name: str) -> str | None:
    """Format a message's instant; None if it is not set."""
    return time(getattr(message, name)) if message.HasField(name) else None


def amount(money: common_pb2.Money) -> str:
    """Format an amount."""
    return to_text(money.minor_units)


def amount_or_none(message: Message, name: str) -> str | None:
    """Format a message's amount; None if it is not set."""
    return amount(getattr(message, name)) if message.HasField(name) else None


def public(prefix: str, text: str) -> str:
    """Return the public id for a service's UUID: the prefix and base62."""
    value = parse_uuid(text)
    if value is None:
        raise ValueError(f"a service answered an id that is not a UUID: {text!r}")
    return to_public(prefix, value)


def stored_object(text: str) -> orjson.Fragment | None:
    """Return a stored JSON object unchanged, for the answer; None if there is none."""
    return orjson.Fragment(text) if text else None


def money(minor_units: int | None) -> common_pb2.Money | None:
    """Return an amount as a message; None stays unset. Every order is settled in USDC."""
    if minor_units is None:
        return None
    return common_pb2.Money(asset=USDC, minor_units=minor_units)
