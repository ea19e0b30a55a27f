"""A gateway whose schema is older than its code refuses all requests until it is migrated."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings
from tests.conftest import TestDatabase
from tests.integration.gateway.conftest import serving
from tests.shop import until


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A gateway with a database of its own."""

    rest: httpx.AsyncClient
    database: TestDatabase

    def at(self, revision: str) -> None:
        """Let the schema be at a revision."""
        with psycopg.connect(self.database.url()) as connection:
            connection.execute("update gateway.alembic_version set version_num = %s", (revision,))

    def revision(self) -> str:
        """Return the revision that the schema is at."""
        with psycopg.connect(self.database.url()) as connection:
            row = connection.execute("select version_num from gateway.alembic_version").fetchone()
        assert row is not None
        return str(row[0])

    async def until_ready(self, status: int) -> httpx.Response:
        """Wait until the gateway says that it is ready, or that it is not."""

        async def says_so() -> bool:
            return (await self.rest.get("/ready")).status_code == status

        await until(says_so, what=f"/ready does not answer {status}")
        return await self.rest.get("/ready")


@pytest.fixture
async def alone(
    settings: GatewaySettings, make_database: Callable[[], TestDatabase]
) -> AsyncIterator[Alone]:
    database, port = make_database(), free_port()
    own = settings.model_copy(
        update={"database_url": database.url("gateway"), "gateway_port": port}
    )
    async with (
        open_gateway(own) as app,
        serving(app, port) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as rest,
    ):
        yield Alone(rest=rest, database=database)


@pytest.mark.slow
async def test_nothing_is_served_until_an_older_schema_is_migrated(alone: Alone) -> None:
    newest = alone.revision()
    assert (await alone.until_ready(200)).json() == {"status": "ready"}
    alone.at("gateway_0001")

    why = (await alone.until_ready(503)).json()
    refused = await alone.rest.get("/api/v1/orders")
    alive = await alone.rest.get("/api/v1/health")
    detailed = await alone.rest.get("/api/v1/health/detailed")

    assert why["why"] == "The gateway's database schema is older than its code"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert alive.status_code == 200
    assert detailed.json()["error"]["details"]["parts"]["schema"] == "down"
    alone.at(newest)
    await alone.until_ready(200)
    assert (await alone.rest.get("/api/v1/orders")).status_code == 401


async def test_a_newer_schema_is_served(alone: Alone) -> None:
    await alone.until_ready(200)
    alone.at("gateway_9999")

    assert (await alone.rest.get("/api/v1/orders")).status_code == 401
    assert (await alone.rest.get("/ready")).status_code == 200
