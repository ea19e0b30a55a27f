"""One escrow house for a module's tests, on a database of its own and the session's devnet."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from services.escrow.app import House
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.world import World, settings


@pytest.fixture(scope="module")
async def world(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A running house: worker, watcher, everything but the gRPC server."""
    database = make_database()
    folder: Path = tmp_path_factory.mktemp("escrow")
    made = World(
        house=House(settings(database=database, devnet=devnet, folder=str(folder))), devnet=devnet
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
        database.drop()
