"""Disputes, served on a real socket with a PostgreSQL and a NATS of this session."""

import uuid
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc
from pydantic import SecretStr

from deploy.local.ports import free_port
from services.disputes.app import build
from services.disputes.settings import Settings
from tests.conftest import TestDatabase
from tests.serving import SECRET, Client, connected, serving


@pytest.fixture(scope="session")
def disputes_database(make_database: Callable[[], TestDatabase]) -> TestDatabase:
    """The database that the served disputes writes to."""
    return make_database()


@pytest.fixture(scope="session")
async def disputes_address(disputes_database: TestDatabase, nats_url: str) -> AsyncIterator[str]:
    """host:port of a running disputes service."""
    settings = Settings(
        database_url=disputes_database.url("disputes"),
        nats_url=nats_url,
        service_secret=SecretStr(SECRET),
        grpc_port=free_port(),
    )
    async with serving(await build(settings)) as address:
        yield address


@pytest.fixture
async def disputes(disputes_address: str) -> AsyncIterator[Client]:
    """Calls to disputes for a marketplace of this test alone."""
    async with connected(
        disputes_address,
        service=disputes_pb2.DESCRIPTOR.services_by_name["DisputesService"],
        stub=disputes_pb2_grpc.DisputesServiceStub,
    ) as client:
        yield client


@pytest.fixture
def read(disputes_database: TestDatabase) -> Callable[[str, uuid.UUID], list[tuple[object, ...]]]:
    """Read rows by a statement whose one parameter is a marketplace."""

    def rows(statement: str, marketplace_id: uuid.UUID) -> list[tuple[object, ...]]:
        with psycopg.connect(disputes_database.url()) as connection:
            return connection.execute(statement, (marketplace_id,)).fetchall()

    return rows
