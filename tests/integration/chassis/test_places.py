"""Addresses of servers and clients: IPv6, and database URLs with several hosts."""

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.channel import open_channel
from chassis.database import Database
from chassis.server import LIVENESS, Server
from kernel.errors import Unavailable
from tests.identities import verifier
from tests.integration.chassis.conftest import Shop, beside_a_dead_host
from tests.integration.chassis.scripted import binding_of, scripted
from tests.integration.chassis.test_outages import admin, by_snapshot, by_statement, by_transaction
from tests.patience import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("host", "called"),
    [("::1", "[::1]"), ("::1", "ipv6:[::1]"), ("::", "[::1]"), ("::", "127.0.0.1")],
)
async def test_a_service_listens_on_ipv6_and_is_called_there(host: str, called: str) -> None:
    server = Server(binding=binding_of(scripted()), verifier=verifier(), with_reflection=False)
    port = await server.start(host=host, port=0)
    try:
        async with open_channel(f"{called}:{port}") as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=LIVENESS),
                wait_for_ready=True,
                timeout=PATIENCE_SECONDS,
            )
    finally:
        await server.stop(grace_seconds=0)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_taken_port_of_ipv6_is_named() -> None:
    servers = [
        Server(binding=binding_of(scripted()), verifier=verifier(), with_reflection=False)
        for _ in range(2)
    ]
    port = await servers[0].start(host="::1", port=0)
    try:
        with pytest.raises(OSError, match=rf"^cannot listen on \[::1\]:{port}$"):
            await servers[1].start(host="::1", port=port)
    finally:
        await servers[0].stop(grace_seconds=0)


async def test_writable_host_of_several_is_used(shop: Shop) -> None:
    database = Database.open(url=beside_a_dead_host(shop.url), schema="shop", pool_size=1)

    await by_transaction(database)
    await by_statement(database)
    assert await database.is_ready()
    await database.close()


async def test_read_only_host_of_several_is_not_used(shop: Shop) -> None:
    admin(shop, "alter database {} set default_transaction_read_only = on")
    database = Database.open(url=beside_a_dead_host(shop.url), schema="shop", pool_size=1)

    with pytest.raises(Unavailable):
        await by_snapshot(database)
    assert not await database.is_ready()
    await database.close()
