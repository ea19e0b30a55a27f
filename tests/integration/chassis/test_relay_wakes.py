"""What wakes a relay that rests: a commit of events by its own process, and nothing else."""

import uuid
from collections.abc import Awaitable, Callable

import pytest

from chassis import relay
from chassis.database import Database
from chassis.outbox import INSERT, Event, Outbox, values
from deploy.local.nats import NatsServer
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.test_relay import (
    WAIT_SECONDS,
    an_event,
    append,
    is_published,
    published,
    relaying,
    until,
    versions,
)


@pytest.fixture(name="nats_server")
def of_these_tests_alone(own_nats_server: NatsServer) -> NatsServer:
    """Every event of the stream is read here: other tests' would take too long."""
    return own_nats_server


async def append_in_a_statement(shop: Shop, *events: Event) -> None:
    """Write events as hot paths do."""
    async with shop.database.statement() as connection:
        await connection.execute(INSERT, values(events, on=connection))


@pytest.mark.parametrize("write", [append, append_in_a_statement])
async def test_a_commit_wakes_an_idle_relay(
    shop: Shop,
    nats: NatsServer,
    marketplace_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[..., Awaitable[None]],
) -> None:
    monkeypatch.setattr(relay, "IDLE_GROWTH", 1e9)
    monkeypatch.setattr(relay, "IDLE_LAST_SECONDS", 10 * WAIT_SECONDS)
    rests: list[float] = []
    rest = relay._rest

    async def noted(database: Database, seconds: float) -> None:
        rests.append(seconds)
        await rest(database, seconds)

    monkeypatch.setattr(relay, "_rest", noted)

    async with relaying(shop, nats):
        for version in (1, 2, 3):
            await until(lambda: rests[-1:] == [relay.IDLE_LAST_SECONDS])
            rests.clear()
            await write(shop, an_event(marketplace_id, version=version))
            await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2, 3]


async def test_only_a_commit_of_events_wakes_the_relay(
    shop: Shop, marketplace_id: uuid.UUID
) -> None:
    event = an_event(marketplace_id, version=1)

    async def undone() -> None:
        async with shop.database.transaction() as tx:
            await Outbox().append(tx, [event])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await undone()
    # On the same connection: the pool lends the one used last.
    async with shop.database.transaction() as tx:
        await Outbox().append(tx, [])
    async with shop.database.statement() as connection:
        await connection.execute("select 1")
    assert not shop.database.told.is_set()

    async with shop.database.transaction() as tx:
        await Outbox().append(tx, [event])
        assert not shop.database.told.is_set()
    assert shop.database.told.is_set()
