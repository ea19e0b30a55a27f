"""XDR that is joined from encoded parts, because the SDK's objects encode slowly.

Source: RFC 4506.
"""

from collections.abc import Sequence

ABSENT, PRESENT = b"\0\0\0\0", b"\0\0\0\1"
"""Whether an optional part follows."""
NO_EXTENSION = b"\0\0\0\0"


def array(items: Sequence[bytes]) -> bytes:
    """Return the XDR of an array of any length."""
    return number(len(items)) + b"".join(items)


def number(value: int) -> bytes:
    """Return an unsigned number of 32 bits: a count, a version, or the discriminant of a union."""
    return value.to_bytes(4, "big")


def long_number(value: int) -> bytes:
    """Return an unsigned number of 64 bits."""
    return value.to_bytes(8, "big")
