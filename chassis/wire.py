"""Values on the wire: Money, instants, ids and page tokens ↔ protobuf."""

import base64
import datetime as dt
import functools
import hashlib
import uuid
from collections.abc import Iterable
from typing import TypeVar

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2

from kernel.errors import InvalidArgument
from kernel.money import Money

PAGE_SIZE_DEFAULT = 20
# A page ends before it exceeds this size, so that every caller can receive it.
PAGE_BYTES = 1024 * 1024
MessageT = TypeVar("MessageT", bound=Message)
# A number with at most this many digits always fits into a bigint.
BIGINT_DIGITS = 18
_BINDING_BYTES = 8
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY_SECONDS = 24 * 60 * 60


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
    fill_instant(message, at)
    return message


def fill_instant(message: timestamp_pb2.Timestamp, at: dt.datetime) -> None:
    """Encode an instant into an existing message."""
    # FromDatetime takes four times as long, and an order has several instants.
    since = at - _EPOCH
    message.seconds = since.days * _DAY_SECONDS + since.seconds
    message.nanos = since.microseconds * 1000


def instant_from_proto(message: timestamp_pb2.Timestamp) -> dt.datetime:
    """Decode an instant as UTC."""
    return message.ToDatetime(tzinfo=dt.UTC)


def milliseconds_text(message: timestamp_pb2.Timestamp) -> str:
    """Format an instant as `kernel.clock.to_milliseconds_text` does."""
    return f"{_second(message.seconds)}.{message.nanos // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Format a second. Cached: the orders of a list share many seconds."""
    at = _EPOCH + dt.timedelta(seconds=seconds)
    return at.isoformat(timespec="seconds").removesuffix("+00:00")


def optional_instant(message: Message, field: str) -> dt.datetime | None:
    """Decode an instant that may be unset.

    Raises: InvalidArgument: it is outside of what a datetime can represent.
    """
    if not message.HasField(field):
        return None
    try:
        return instant_from_proto(getattr(message, field))
    except ValueError:
        problem = "must be an instant of the years 1 to 9999"
        raise InvalidArgument(f"Invalid field: {field}", fields=[(field, problem)]) from None


def page_size(message: common_pb2.PageRequest) -> int:
    """Return the number of rows requested, or the default."""
    return message.page_size or PAGE_SIZE_DEFAULT


def fitting(messages: Iterable[MessageT], size: int) -> list[MessageT]:
    """Return the first `size` messages, or fewer if they are large, but at least one.

    If fewer messages are returned than given, there is another page.
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
    """Return the opaque token of the page that follows a row."""
    return _encode_token(str(after))


def bound_token(place: str, request: Message) -> str:
    """Return the opaque token of the page that follows a place in the requested list.

    The token is valid only for the request's filters and sort. A request without filters and sort
    gets a token without a binding, as `page_token` returns.
    """
    return _encode_token(place + _binding(request))


def place_from_token(text: str, request: Message) -> str | None:
    """Read a token of a list with the same filters and sort; None: the first page.

    Raises: InvalidArgument: it is not a token, or belongs to another list.
    """
    if not text:
        return None
    decoded, binding = _decode_token(text), _binding(request)
    place = decoded.removesuffix(binding)
    if not decoded.endswith(binding) or "~" in place:
        raise unknown_cursor()
    return place


def _binding(request: Message) -> str:
    """Return the binding of a token: a hash of the request without its page."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page")
    content = asked.SerializeToString(deterministic=True)
    if not content:
        return ""
    return "~" + hashlib.blake2b(content, digest_size=_BINDING_BYTES).hexdigest()


def unknown_cursor() -> InvalidArgument:
    """Return the refusal of a token that no page of this list had."""
    return InvalidArgument("Unknown cursor", fields=[("cursor", "is not a cursor of this API")])


def _encode_token(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode_token(text: str) -> str:
    try:
        return base64.b64decode(
            text + "=" * (-len(text) % 4), altchars=b"-_", validate=True
        ).decode()
    except ValueError:  # not base64, or not text
        raise unknown_cursor() from None


def uuid_from_token(text: str) -> uuid.UUID | None:
    """Read a token that holds an id; None: the first page. Raises: InvalidArgument."""
    if not text:
        return None
    return uuid_of_place(_decode_token(text))


def uuid_of_place(place: str) -> uuid.UUID:
    """Read a place that is an id. Raises: InvalidArgument."""
    try:
        return uuid.UUID(place)
    except ValueError:
        raise unknown_cursor() from None


def number_from_token(text: str) -> int | None:
    """Read a token that holds a row number; None: the first page. Raises: InvalidArgument."""
    if not text:
        return None
    decoded = _decode_token(text)
    return number_of_place(decoded)


def number_of_place(place: str) -> int:
    """Read a place that is a number, 0 or greater. Raises: InvalidArgument."""
    if not place.isascii() or not place.isdigit() or len(place) > BIGINT_DIGITS:
        raise unknown_cursor()
    return int(place)
