"""A stream's key is watched: the stream ends when the key ends or cannot be checked."""

import asyncio
import datetime as dt
import uuid
from dataclasses import replace
from typing import cast

import pytest

from gateway import auth
from gateway.auth import KeyAuthenticator
from gateway.keys import Key, KeyStore
from kernel.errors import Unavailable

DEADLINE_SECONDS = 10
NOW = dt.datetime(2026, 2, 18, tzinfo=dt.UTC)


class Table:
    """A table of one key. The table can be unavailable, or not answer."""

    def __init__(self) -> None:
        self.key = Key(
            id="a" * 12,
            marketplace_id=uuid.uuid4(),
            marketplace="demo",
            environment="live",
            name="",
            scopes=frozenset({"read"}),
            digest=b"d" * 32,
            created_at=NOW,
            expires_at=None,
            revoked_at=None,
        )
        self.is_away = False
        self.asked = 0

    async def find(self, _key_id: str) -> Key:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        return self.key


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(auth, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(auth, "REMEMBERED_SECONDS", 0.5)
    return Table()


def authenticator(table: Table) -> KeyAuthenticator:
    return KeyAuthenticator(cast("KeyStore", table))


async def asked_again(table: Table) -> None:
    """Wait until the table was asked twice more."""
    before = table.asked
    async with asyncio.timeout(DEADLINE_SECONDS):
        while table.asked < before + 2:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_streams_key_is_watched_until_it_expires(table: Table) -> None:
    watching = asyncio.ensure_future(authenticator(table).until_ended(table.key))
    await asked_again(table)
    assert not watching.done()

    table.key = replace(table.key, expires_at=NOW, is_expired=True)

    async with asyncio.timeout(DEADLINE_SECONDS):
        await watching


async def test_a_short_database_outage_ends_no_stream(table: Table) -> None:
    watching = asyncio.ensure_future(authenticator(table).until_ended(table.key))
    table.is_away = True
    await asked_again(table)
    table.is_away = False
    await asked_again(table)

    assert not watching.done()
    watching.cancel()


async def test_long_database_outage_ends_the_streams_of_a_key(table: Table) -> None:
    table.is_away = True

    async with asyncio.timeout(DEADLINE_SECONDS):
        await authenticator(table).until_ended(table.key)


async def test_streams_of_one_key_share_one_query(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "WATCH_SECONDS", 60.0)
    monkeypatch.setattr(auth, "REMEMBERED_SECONDS", 60.0)
    own = authenticator(table)
    watching = [asyncio.ensure_future(own.until_ended(table.key)) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    own.forget(table.key.id)
    table.key = replace(table.key, revoked_at=NOW)

    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.gather(*watching)
    assert table.asked <= 2
