"""The services of the contract tests, started once."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.conftest import RunningDevnet, TestDatabase
from tests.contract.city import City


@pytest.fixture(scope="session")
async def city(
    request: pytest.FixtureRequest,
    make_database: Callable[[], TestDatabase],
    nats_url: str,
    session_folder: Path,
) -> AsyncIterator[City]:
    """The four services, each started on first use."""

    def devnet() -> RunningDevnet:
        running: RunningDevnet = request.getfixturevalue("devnet")
        return running

    made = City(
        database=make_database(), nats_url=nats_url, devnet=devnet, folder=str(session_folder)
    )
    yield made
    await made.close()
