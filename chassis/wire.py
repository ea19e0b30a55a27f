"""Values on the wire: Money, instants, ids and page tokens ↔ protobuf, for every value."""

import base64
import datetime as dt
import uuid
from collections.abc import Iterable
from typing import TypeVar

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2

from kernel.errors import InvalidArgument
from kernel.money import Money

PAGE_SIZE_DEFAULT = 20
# A page ends before it gets larger, so that every caller can receive it.
PAGE_BYTES = 1024 * 1024
MessageT = TypeVar("MessageT", bound=Message)
# The most digits that always fit a bigint.
BIGINT_DIGITS = 18


def money_to_proto(money: Money) -> common_pb2.Money:
    """Encode an amount."""
    return common_pb2.Money(asset=money.asset, minor_units=money.minor_units)


def money_from_proto(message: common_pb2.Money) -> Money:
    """Decode an amount."""
    return Money(asset=message.asset, minor_units=message.minor_units)


def instant_to_proto(at: dt.datetime | None) -> timestamp_pb2.Timestamp | None:
    """Encode an instant; None stays unset."""
    if at is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(at)
    return message


def instant_from_proto(message: timestamp_pb2.Timestamp) -> dt.datetime:
    """Decode an instant as UTC."""
    return message.ToDatetime(tzinfo=dt.UTC)


def page_size(message: common_pb2.PageRequest) -> int:
    """Return the number of rows requested, or the default."""
    return message.page_size or PAGE_SIZE_DEFAULT


def fitting(messages: Iterable[MessageT], size: int) -> list[MessageT]:
    """Return the first `size` messages, or fewer if they are large; at least one.

    If fewer are returned than given, there is another page.
    """
    page: list[MessageT] = []
    left = PAGE_BYTES
    for message in messages:
        left -= message.ByteSize()
        if page and (left < 0 or len(page) == size):
            break
        page.append(message)
    return page


def page_token(after: uuid.UUID | int) -> str:
    """Make the opaque token of the page after a row."""
    text = str(after)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_token(text: str) -> str:
    try:
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_", validate=True
        ).decode()
    except ValueError:  # not base64, or not text
        raise InvalidArgument(
            "Unknown cursor", fields=[("cursor", "is not a cursor of this API")]
        ) from None


def uuid_from_token(text: str) -> uuid.UUID | None:
    """Read a token that holds an id; None for the first page. Raises: InvalidArgument."""
    if not text:
        return None
    decoded = _decode_token(text)
    try:
        return uuid.UUID(decoded)
    except ValueError:
        raise InvalidArgument(
            "Unknown cursor", fields=[("cursor", "is not a cursor of this API")]
        ) from None


def number_from_token(text: str) -> int | None:
    """Read a token that holds a row number; None for the first page. Raises: InvalidArgument."""
    if not text:
        return None
    decoded = _decode_token(text)
    if not decoded.isascii() or not decoded.isdigit() or len(decoded) > BIGINT_DIGITS:
        raise InvalidArgument("Unknown cursor", fields=[("cursor", "is not a cursor of this API")])
    return int(decoded)
