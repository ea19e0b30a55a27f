"""Processes that stop during a withdrawal, at each of its boundaries in turn.

A boundary is the moment before or after a call to a peer, or after a commit. Between two of them,
a process changes nothing that another process could see.
"""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chassis.database import Transaction
from services.orders.withdrawals import carrier as carrier_module
from services.orders.withdrawals.carrier import Carrier

# The peers' methods that a carrier calls, by attribute; a test compares them with the code.
CALLS = frozenset({"ledger.post", "ledger.open_account", "escrow.withdraw", "escrow.command"})
COMMIT = "commit"


class Died(BaseException):
    """Stands for kill -9: no code of the service catches it."""


class Stop:
    """Counts the boundaries that leased work passes, and stops it at the k-th.

    is_killed: the process dies there; otherwise it pauses, and continues when `wake` is set.
    """

    def __init__(self, *, at: int, is_killed: bool) -> None:
        self._left, self._is_killed = at, is_killed
        self.passed: list[str] = []
        self.reached, self.wake = asyncio.Event(), asyncio.Event()

    async def at(self, name: str) -> None:
        """Pass a boundary. Raises: Died."""
        task = asyncio.current_task()
        if task is None or not task.get_name().startswith("leased "):
            return
        self.passed.append(name)
        self._left -= 1
        if self._left != 0:
            return
        self.reached.set()
        if self._is_killed:
            raise Died
        await self.wake.wait()


class _Peer:
    """A peer whose calls are boundaries."""

    def __init__(self, real: Any, name: str, stop: Stop) -> None:
        self._real, self._name, self._stop = real, name, stop

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)
        name = f"{self._name}.{method}"
        if name not in CALLS:
            raise AttributeError(f"{name} is not a boundary")

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._stop.at(f"before {name}")
            answer = await real(*arguments, **named)
            await self._stop.at(f"after {name}")
            return answer

        return call


class _Commits:
    """A database whose commits are boundaries."""

    def __init__(self, real: Any, stop: Stop) -> None:
        self._real, self._stop = real, stop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction, and stop after it."""
        async with self._real.transaction() as tx:
            yield tx
        await self._stop.at(COMMIT)


@asynccontextmanager
async def stopping(carrier: Carrier, stop: Stop) -> AsyncIterator[None]:
    """Let the carrier stop at a boundary for the block."""
    parts: Any = carrier
    real = parts._ledger, parts._escrow, parts._database
    parts._ledger = _Peer(real[0], "ledger", stop)
    parts._escrow = _Peer(real[1], "escrow", stop)
    parts._database = _Commits(real[2], stop)
    try:
        yield
    finally:
        parts._ledger, parts._escrow, parts._database = real


def called_in_code() -> set[str]:
    """Return the calls to peers that a carrier's code has."""
    found = re.findall(r"self\._(ledger|escrow)\.(\w+)\(", inspect.getsource(carrier_module))
    return {f"{peer}.{method}" for peer, method in found}
