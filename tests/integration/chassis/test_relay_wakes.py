"""An idle relay is woken by its own process's commits of events, or by another's notification."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from chassis import relay
from chassis.database import Database
from chassis.outbox import INSERT, Event, Outbox, values
from deploy.local.nats import NatsServer
from tests.integration.chassis.conftest import Shop
from tests.integration.chassis.test_relay import (
    PUBLISHED,
    WAIT_SECONDS,
    an_event,
    append,
    is_published,
    published,
    relaying,
    until,
    versions,
)

# The number of relays with the lock. The leading relay looks for events before it rests.
LEADING = """
select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database
where locktype = 'advisory' and granted and datname = current_database()
"""


@pytest.fixture(name="nats_server")
def of_these_tests_alone(own_nats_server: NatsServer) -> NatsServer:
    """A NATS of its own: these tests read the whole stream, so others' events cost time."""
    return own_nats_server


async def append_in_a_statement(shop: Shop, *events: Event) -> None:
    """Write events as hot paths do."""
    async with shop.database.statement() as connection:
        await connection.execute(INSERT, values(events, on=connection))


@pytest.fixture
async def other(shop: Shop) -> AsyncIterator[Shop]:
    """Another process: to the relay, a database of its own, whose commits it does not see."""
    database = Database.open(url=shop.url, schema="shop")
    yield replace(shop, database=database)
    await database.close()


@pytest.fixture
def sleepy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make relays look for events only when they are woken."""
    monkeypatch.setattr(relay, "SELDOM_SECONDS", 10 * WAIT_SECONDS)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of events that each look of a relay has found."""
    found: list[int] = []
    look = relay._unpublished

    async def counted(*args: Any) -> list[relay.Row]:
        rows = await look(*args)
        found.append(len(rows))
        return rows

    monkeypatch.setattr(relay, "_unpublished", counted)
    return found


@pytest.mark.parametrize("write", [append, append_in_a_statement])
async def test_a_commit_wakes_an_idle_relay(
    shop: Shop,
    nats: NatsServer,
    marketplace_id: uuid.UUID,
    sleepy: None,
    write: Callable[..., Awaitable[None]],
) -> None:
    del sleepy
    async with relaying(shop, nats):
        await until(lambda: shop.rows(LEADING) == [(1,)])
        for version in (1, 2, 3):
            await write(shop, an_event(marketplace_id, version=version))
            await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2, 3]


async def test_event_of_another_process_wakes_the_leading_relay(
    shop: Shop, other: Shop, nats: NatsServer, marketplace_id: uuid.UUID, sleepy: None
) -> None:
    del sleepy
    async with relaying(shop, nats):
        await until(lambda: shop.rows(LEADING) == [(1,)])
        async with relaying(other, nats):
            for version in (1, 2, 3):
                await append(other, an_event(marketplace_id, version=version))
                await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1, 2, 3]


async def test_relay_without_notification_does_not_look_for_events(
    shop: Shop,
    other: Shop,
    nats: NatsServer,
    marketplace_id: uuid.UUID,
    sleepy: None,
    looks: list[int],
) -> None:
    del sleepy
    async with relaying(shop, nats):
        await until(lambda: looks == [0])
        await append(shop, an_event(marketplace_id, version=1))
        await until(is_published(shop))
        # Processes that die between commit and notification. There is time for many looks.
        for version in range(2, 40):
            await append(other, an_event(marketplace_id, version=version))
        assert looks == [0, 1]

    assert versions(await published(nats, marketplace_id)) == [1]


async def test_published_events_are_noted_at_the_next_look_or_at_the_end(
    shop: Shop,
    nats: NatsServer,
    marketplace_id: uuid.UUID,
    sleepy: None,
    looks: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    del sleepy
    monkeypatch.setattr(relay, "NOTE_SECONDS", 10 * WAIT_SECONDS)
    publish, sent = relay._publish, list[int]()

    async def counted(*args: Any) -> list[int]:
        sent.extend(await publish(*args))
        return sent[-1:]

    monkeypatch.setattr(relay, "_publish", counted)
    async with relaying(shop, nats):
        await until(lambda: looks == [0])
        for version in (1, 2):
            await append(shop, an_event(marketplace_id, version=version))
            await until(lambda: len(sent) == version)  # noqa: B023 - called before the next one
        assert looks == [0, 1, 1]
        assert shop.rows(PUBLISHED) == [(1,)]

    assert is_published(shop)()


async def test_event_without_notification_is_found_by_the_periodic_look(
    shop: Shop,
    other: Shop,
    nats: NatsServer,
    marketplace_id: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
    looks: list[int],
) -> None:
    monkeypatch.setattr(relay, "SELDOM_SECONDS", 0.1)
    # A process that dies between its commit and its notification.
    async with relaying(shop, nats):
        await until(lambda: looks[:1] == [0])
        await append(other, an_event(marketplace_id, version=1))
        await until(is_published(shop))

    assert versions(await published(nats, marketplace_id)) == [1]


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
