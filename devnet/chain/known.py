"""A cache of decoded or encoded values: a ledger reads again what it has just written."""

from collections.abc import Callable
from functools import lru_cache
from typing import Generic, TypeVar

T = TypeVar("T")


class Known(Generic[T]):
    """Decodes bytes unless their value is cached. most: how many values are cached."""

    def __init__(self, decode: Callable[[bytes], T], *, most: int) -> None:
        self._decode = decode
        self._place_of: Callable[[bytes], list[T]] = lru_cache(maxsize=most)(_new_place)

    def of(self, data: bytes) -> T:
        """Return the value of bytes; callers must not change it."""
        place = self._place_of(data)
        if not place:
            place.append(self._decode(data))
        return place[0]

    def note(self, data: bytes, value: T) -> None:
        """Cache the value that bytes were encoded from; it must not be changed later."""
        self._place_of(data)[:] = [value]


def _new_place(_data: bytes) -> list[T]:
    return []
