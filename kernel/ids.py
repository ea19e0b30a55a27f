"""Ids: 128 bits (UUIDv7) with two spellings: UUID, and prefix + 22 base62 characters."""

import datetime as dt
import hashlib
import os
import re
import time
import uuid
from typing import NewType

OrderId = NewType("OrderId", uuid.UUID)
UserId = NewType("UserId", uuid.UUID)
EscrowId = NewType("EscrowId", uuid.UUID)
DisputeId = NewType("DisputeId", uuid.UUID)
WalletId = NewType("WalletId", uuid.UUID)
TransferId = NewType("TransferId", uuid.UUID)
OperationId = NewType("OperationId", uuid.UUID)
MarketplaceId = NewType("MarketplaceId", uuid.UUID)

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LENGTH = 22
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
# All pairs of base62 digits: converting two digits at a time halves the number of divisions.
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# The namespace (uuid5) of every id that is derived from other ids.
NAMESPACE = uuid.UUID("6f726368-6573-7472-8a74-6f7200000001")
_NAMESPACE_HASH = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
# A mask without the bits of a UUID's version and variant. Source: RFC 9562 §4.
_PLAIN_BITS = ~(0xF << 76 | 0b11 << 62)
_VERSION_5 = 5 << 76 | 0b10 << 62


def new_id() -> uuid.UUID:
    """Return a new UUIDv7: 48 bits of milliseconds, then random bits, so ids sort by time.

    Source: RFC 9562 §5.7.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | (random >> 64 & 0xFFF) << 64
    value |= 0b10 << 62 | random & 0x3FFFFFFFFFFFFFFF
    return uuid.UUID(int=value)


def first_id(at: dt.datetime) -> uuid.UUID:
    """Return the smallest UUIDv7 of an instant's millisecond."""
    milliseconds = (at - _EPOCH) // _MILLISECOND
    return uuid.UUID(int=max(0, min(milliseconds, 0xFFFFFFFFFFFF)) << 80)


def instant_of(value: uuid.UUID) -> dt.datetime:
    """Return the instant, in milliseconds precision, at which a UUIDv7 was made."""
    return _EPOCH + dt.timedelta(milliseconds=value.int >> 80)


def derived_id(*parts: object) -> uuid.UUID:
    """Derive an id from parts. The same parts always give the same id.

    The id is uuid5 of the parts joined by colons. Source: RFC 9562 §5.5.
    """
    # uuid.uuid5 takes four times as long, and every event has a derived id.
    digest = _NAMESPACE_HASH.copy()
    digest.update(":".join(map(str, parts)).encode())
    value = int.from_bytes(digest.digest()[:16], "big")
    return uuid.UUID(int=value & _PLAIN_BITS | _VERSION_5)


def hashed_id(*parts: str) -> uuid.UUID:
    """Derive an id from clients' texts: their SHA-256, as a UUID of the reserved variant.

    Different lists of texts give different ids. No UUID generator uses this variant, which is
    reserved for future definition, so `is_hashed` recognises these ids. Source: RFC 9562 §4.1.
    """
    digest = hashlib.sha256()
    for part in parts:
        spelled = part.encode()
        digest.update(b"%d:%b" % (len(spelled), spelled))
    value = int.from_bytes(digest.digest()[:16], "big")
    return uuid.UUID(int=value | 0b111 << 61)


def is_hashed(value: uuid.UUID) -> bool:
    """Return whether `hashed_id` may have made an id."""
    return value.variant == uuid.RESERVED_FUTURE


def to_public(prefix: str, value: uuid.UUID) -> str:
    """Return the public spelling of an id: the prefix, "_" and 22 base62 characters."""
    number = value.int
    pairs = []
    for _ in range(LENGTH // 2):
        number, pair = divmod(number, 62 * 62)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    return f"{prefix}_{''.join(pairs)}"


def from_public(prefix: str, text: str) -> uuid.UUID | None:
    """Parse an id in either spelling; None if the text is neither."""
    if text.startswith(f"{prefix}_"):
        return _from_base62(text[len(prefix) + 1 :])
    return parse_uuid(text)


def parse_uuid(text: str) -> uuid.UUID | None:
    """Parse a UUID in its canonical spelling, upper or lower case; None if it is not one."""
    if _CANONICAL.fullmatch(text) is None:
        return None
    return uuid.UUID(int=int(text.replace("-", ""), 16))


def _from_base62(text: str) -> uuid.UUID | None:
    if len(text) != LENGTH:
        return None
    number = 0
    for place in range(0, LENGTH, 2):
        value = _VALUES.get(text[place : place + 2])
        if value is None:
            return None
        number = number * 62 * 62 + value
    return uuid.UUID(int=number) if number < 1 << 128 else None
