"""One escrow house for a module's tests, on a database of its own and the session's devnet."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.escrow.app import House
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.world import World, settings


@asynccontextmanager
async def running(
    database: TestDatabase, devnet: RunningDevnet, folder: Path, **changed: Any
) -> AsyncIterator[World]:
    """Run a house on a database, and drop the database after it."""
    given = settings(database=database, devnet=devnet, folder=str(folder), **changed)
    made = World(house=House(given), devnet=devnet)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        database.drop()


@pytest.fixture(scope="module")
async def world(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A running house: worker, watcher, everything but the gRPC server."""
    async with running(make_database(), devnet, tmp_path_factory.mktemp("escrow")) as made:
        yield made


@pytest.fixture(scope="module")
async def impatient(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose transactions may land for two seconds only."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, transaction_seconds=2) as made:
        yield made
