"""A devnet of its own for these tests: fast ledgers, no request limit."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.devnet import Devnet
from deploy.local.ports import free_port
from deploy.local.settings import child_environment
from tests.integration.devnet.chain import Chain, connect

LEDGER_SECONDS = "0.05"


def start(folder: Path, **environment: str) -> Devnet:
    """Start a devnet and wait until it answers."""
    running = Devnet(
        home=folder / "ledger",
        port=free_port(),
        log_folder=folder,
        is_forked=True,
        environment=child_environment(DEVNET_LEDGER_SECONDS=LEDGER_SECONDS, **environment),
    )
    running.start()
    running.wait_ready()
    return running


@pytest.fixture(scope="session")
def own_devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The devnet that all tests here share."""
    running = start(tmp_path_factory.mktemp("devnet"), DEVNET_TW_RATE_LIMIT="0")
    yield running
    running.stop()


@pytest.fixture(scope="session")
async def session_chain(own_devnet: Devnet) -> AsyncIterator[Chain]:
    """A client of it."""
    async with connect(own_devnet.url) as chain:
        yield chain


@pytest.fixture
async def chain(session_chain: Chain) -> AsyncIterator[Chain]:
    """The client, with every fault cleared after the test."""
    yield session_chain
    async with session_chain.http.delete(f"{session_chain.url}/faults") as answer:
        assert answer.status == 200
