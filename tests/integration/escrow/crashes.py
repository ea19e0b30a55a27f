"""Simulated process deaths: a pipeline stops right after its k-th effect on the world."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from chassis.database import Connection, Database, Transaction
from chassis.leases import Lease, LeaseLost
from services.escrow.domain import CommandState
from services.escrow.sending.pipeline import Pipeline
from tests.integration.escrow.world import World

# The calls that are counted besides commits. Reads of the chain are not counted: they change
# nothing, so that dying after a read equals dying after the previous effect.
CALLS = frozenset({"build", "verify_and_sign", "submit", "announce"})
LOOKS = frozenset(
    {
        "account",
        "asset_balances",
        "code_of",
        "fee_of",
        "find",
        "latest_ledger",
        "lifetimes",
        "lumens",
        "nodes",
        "outcome",
        "paid_between",
        "platform_of",
        "read_escrow",
        "recent_ledger",
        "recipient_view",
        "require_network",
        "sequences",
        "transactions",
        "transfers_since",
    }
)
# Calls that no command makes: the faucet of a local network, and closing at the process's end.
BESIDE = frozenset({"fund_with_friendbot", "request_asset", "close"})
COMMIT = "commit"


class Died(BaseException):
    """Stands for kill -9: no code of the service catches it."""


class Fuse:
    """Counts effects and raises Died after the k-th. passed: the names of the counted effects."""

    def __init__(self, *, after: int) -> None:
        self.left = after
        self.passed: list[str] = []

    def burn(self, name: str) -> None:
        """Count one effect that has happened. Raises: Died, after the k-th."""
        self.passed.append(name)
        self.left -= 1
        if self.left == 0:
            raise Died


class Fused:
    """A chain or a builder whose calls are counted by a fuse."""

    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in CALLS:
            return real

        async def call(*arguments: Any, **named: Any) -> Any:
            answer = await real(*arguments, **named)
            self._fuse.burn(name)
            return answer

        return call


class FusedDatabase:
    """A database whose commits are counted by a fuse."""

    def __init__(self, real: Database, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction; the process may die after its commit."""
        async with self._real.transaction() as tx:
            yield tx
        self._fuse.burn(COMMIT)

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """Lend a connection; the process may die after a statement on it."""
        async with self._real.statement() as connection:
            yield connection
        self._fuse.burn(COMMIT)


def mortal(world: World, *, after: int) -> tuple[Pipeline, Fuse]:
    """Return a pipeline that dies after its k-th effect, and the pipeline's fuse."""
    fuse, house = Fuse(after=after), world.house
    real = house.chain, house.builder, house.database
    chain: Any = Fused(house.chain, fuse)
    builder: Any = Fused(house.builder, fuse)
    database: Any = FusedDatabase(house.database, fuse)
    house.chain, house.builder, house.database = chain, builder, database
    try:
        return house.pipeline(), fuse
    finally:
        house.chain, house.builder, house.database = real


async def die_and_resume(
    world: World, lease: Lease, *, after: int, again: Callable[[], Any]
) -> tuple[CommandState, bool]:
    """Carry a command out with a pipeline that dies, then with one that lives.

    again: takes the lease anew. Returns how it ended, and whether anything died.
    """
    pipeline, _ = mortal(world, after=after)
    try:
        return await pipeline.carry_out(lease), False
    except Died:
        newer: Lease = await again()
    try:
        return await world.house.pipeline().carry_out(newer), True
    except LeaseLost:
        # The pipeline died after the last commit, so no worker would claim the command again.
        ended = await world.ended(lease.id)
        return ended.state, True
