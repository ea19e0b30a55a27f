"""Replacing the pepper of API keys: a key used during the change keeps working."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from chassis.idempotency import RequestKey
from gateway import auth, keys
from gateway.auth import CredentialNotValid, KeyAuthenticator
from gateway.keys import Key, KeyStore
from gateway.settings import GatewaySettings
from tests.shop import until

OLD, NEW = "the pepper that was there before, long", "the pepper that is there from now on"


@pytest.fixture
async def database(settings: GatewaySettings) -> AsyncIterator[Database]:
    """The gateway's tables."""
    opened = Database.open(url=settings.database_url, schema="gateway", pool_size=2)
    yield opened
    await opened.close()


async def made(store: KeyStore, *, asked: RequestKey | None = None) -> tuple[Key, str]:
    """Make a key of a marketplace of its own, or the one that was asked for."""
    named = f"pepper-{uuid.uuid4().hex[:8]}" if asked is None else "pepper"
    marketplace_id = await store.marketplace(named, environment="live")
    done = await store.create(
        marketplace_id=marketplace_id, environment="live", scopes=["read"], asked=asked
    )
    return done.key, done.text


async def holds(store: KeyStore, text: str) -> bool:
    """Tell whether a newly started gateway accepts a key."""
    try:
        await KeyAuthenticator(store).authenticate(text)
    except CredentialNotValid:
        return False
    return True


async def test_key_used_during_the_change_keeps_working_with_the_new_pepper(
    database: Database,
) -> None:
    old = KeyStore(database, pepper=OLD)
    both = KeyStore(database, pepper=NEW, also=OLD)
    new = KeyStore(database, pepper=NEW)
    _, used = await made(old)
    _, unused = await made(old)
    assert not await holds(new, used)

    assert await holds(both, used)

    assert await holds(new, used)
    assert not await holds(old, used)
    assert not await holds(new, unused)
    assert await holds(both, unused)


async def test_gateways_at_different_steps_of_the_change_accept_the_same_key(
    database: Database,
) -> None:
    first = KeyStore(database, pepper=OLD, also=NEW)
    second = KeyStore(database, pepper=NEW, also=OLD)
    _, text = await made(first)

    # Each store replaces the digest with its own pepper's; both stores keep accepting the key.
    for store in (second, first, second, first):
        assert await holds(store, text)


async def test_a_wrong_secret_is_refused_with_either_pepper(database: Database) -> None:
    both = KeyStore(database, pepper=NEW, also=OLD)
    _, text = await made(KeyStore(database, pepper="a pepper of somebody else, and long"))

    assert not await holds(both, text)


async def test_a_stream_goes_on_when_its_keys_digest_is_replaced_and_ends_with_the_key(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "WATCH_SECONDS", 0.05)
    looks = 0

    class Counted(KeyStore):
        async def find(self, key_id: str) -> Key | None:
            nonlocal looks
            looks += 1
            return await super().find(key_id)

    both = Counted(database, pepper=OLD, also=NEW)
    key, text = await made(both)
    authenticator = KeyAuthenticator(both)
    await authenticator.authenticate(text)
    stream = asyncio.create_task(authenticator.until_ended(key))
    assert await holds(KeyStore(database, pepper=NEW, also=OLD), text)
    seen = looks

    async def has_looked() -> bool:
        return looks >= seen + 3

    await until(has_looked, what="nobody looked at the key")
    assert not stream.done()
    await both.revoke(key.id, marketplace_id=key.marketplace_id)
    await stream


async def test_a_wrong_secret_does_not_affect_the_right_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(database, pepper=NEW)
    key, text = await made(store)
    wrong = f"ohk_live_{key.id}_{'0' * 32}"
    authenticator = KeyAuthenticator(store)
    await authenticator.authenticate(text)
    with pytest.raises(CredentialNotValid):
        await authenticator.authenticate(wrong + keys._checksum(wrong))

    async def away(_key_id: str) -> None:
        raise AssertionError("the database was asked again")

    monkeypatch.setattr(store, "find", away)
    await authenticator.authenticate(text)


async def test_a_repeated_key_request_gets_the_same_key(database: Database) -> None:
    old = KeyStore(database, pepper=OLD)
    both = KeyStore(database, pepper=NEW, also=OLD)
    asked = RequestKey(
        marketplace_id=await old.marketplace("pepper", environment="live"),
        scope="",
        key=f"k:{uuid.uuid4()}",
        fingerprint=bytes(32),
    )

    first, again = await made(old, asked=asked), await made(both, asked=asked)

    assert first[1] == again[1]
