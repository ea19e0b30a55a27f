"""The limits of open connections: in total, and per client address."""

import asyncio
from collections import Counter
from typing import Protocol


class LimitedConnection(Protocol):
    """One connection. address: of the client."""

    address: str
    transport: asyncio.Transport


class ConnectionLimits:
    """The open connections, with their limits.

    At a limit, a new connection replaces the one that has been idle for longest, so idle
    connections cannot keep new clients out.
    """

    def __init__(self, *, in_all: int, per_address: int) -> None:
        self._in_all = in_all
        self._per_address = per_address
        self._open: set[LimitedConnection] = set()
        self._addresses: Counter[str] = Counter()
        # Idle connections, the one that has been idle for longest first.
        self._waiting: dict[LimitedConnection, None] = {}

    def enter(self, one: LimitedConnection) -> bool:
        """Admit a connection. Returns False if a limit is reached and no other is idle."""
        if self._addresses[one.address] >= self._per_address and not self._make_room(one.address):
            return False
        if len(self._open) >= self._in_all and not self._make_room(None):
            return False
        self._open.add(one)
        self._addresses[one.address] += 1
        return True

    def leave(self, one: LimitedConnection) -> None:
        """Remove a connection. A second call does nothing."""
        if one not in self._open:
            return
        self._open.discard(one)
        self._waiting.pop(one, None)
        self._addresses[one.address] -= 1
        if not self._addresses[one.address]:
            del self._addresses[one.address]

    def wait(self, one: LimitedConnection) -> None:
        """Mark a connection as idle."""
        if one in self._open:
            self._waiting[one] = None

    def work(self, one: LimitedConnection) -> None:
        """Mark a connection as busy."""
        self._waiting.pop(one, None)

    def _make_room(self, address: str | None) -> bool:
        for one in self._waiting:
            if address in {None, one.address}:
                self.leave(one)
                one.transport.abort()
                return True
        return False
