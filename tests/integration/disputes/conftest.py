"""Disputes, served on a real socket with a PostgreSQL and a NATS of this session."""

import uuid
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
from orchestrator.disputes.v1 import disputes_pb2_grpc

from chassis.channel import open_channel
from deploy.local.ports import free_port
from services.disputes.app import build
from services.disputes.settings import DisputesSettings
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE
from tests.serving import Client, Socket, serving


@pytest.fixture(scope="session")
def disputes_database(make_database: Callable[[], TestDatabase]) -> TestDatabase:
    """The database of the served disputes."""
    return make_database()


@pytest.fixture(scope="session")
async def disputes_address(disputes_database: TestDatabase, nats_url: str) -> AsyncIterator[str]:
    """host:port of a running disputes service."""
    settings = DisputesSettings(
        database_url=disputes_database.url("disputes"),
        nats_url=nats_url,
        trust_file=TRUST_FILE,
        grpc_port=free_port(),
    )
    async with serving(await build(settings)) as address:
        yield address


@pytest.fixture
async def disputes(disputes_address: str) -> AsyncIterator[Client]:
    """Calls to disputes for a marketplace of this test alone."""
    async with open_channel(disputes_address) as channel:
        yield Client(transport=Socket(stub=disputes_pb2_grpc.DisputesServiceStub(channel)))


@pytest.fixture
def read(disputes_database: TestDatabase) -> Callable[[str, uuid.UUID], list[tuple[object, ...]]]:
    """Read rows by a statement whose one parameter is a marketplace."""

    def rows(statement: str, marketplace_id: uuid.UUID) -> list[tuple[object, ...]]:
        with psycopg.connect(disputes_database.url()) as connection:
            return connection.execute(statement, (marketplace_id,)).fetchall()

    return rows
