"""Who may be here: the open connections, so many in all, so many of one address."""

import asyncio
from collections import Counter
from typing import Protocol


class Member(Protocol):
    """One connection. address: of its client."""

    address: str
    transport: asyncio.Transport


class Crowd:
    """The open connections: so many in all, so many of one address.

    Where there is no place left, the connection that has been without a request for longest gives
    way: silent ones keep nobody out.
    """

    def __init__(self, *, in_all: int, per_address: int) -> None:
        self._in_all = in_all
        self._per_address = per_address
        self._open: set[Member] = set()
        self._addresses: Counter[str] = Counter()
        # In the order in which they began to wait for a request.
        self._waiting: dict[Member, None] = {}

    def enter(self, one: Member) -> bool:
        """Take a place; False: there is none, and every connection is being served."""
        if self._addresses[one.address] >= self._per_address and not self._make_room(one.address):
            return False
        if len(self._open) >= self._in_all and not self._make_room(None):
            return False
        self._open.add(one)
        self._addresses[one.address] += 1
        return True

    def leave(self, one: Member) -> None:
        """Give the place back, once however often it is called."""
        if one not in self._open:
            return
        self._open.discard(one)
        self._waiting.pop(one, None)
        self._addresses[one.address] -= 1
        if not self._addresses[one.address]:
            del self._addresses[one.address]

    def wait(self, one: Member) -> None:
        """Note that a connection waits for a request."""
        if one in self._open:
            self._waiting[one] = None

    def work(self, one: Member) -> None:
        """Note that a request has come."""
        self._waiting.pop(one, None)

    def _make_room(self, address: str | None) -> bool:
        for one in self._waiting:
            if address in {None, one.address}:
                self.leave(one)
                one.transport.abort()
                return True
        return False
