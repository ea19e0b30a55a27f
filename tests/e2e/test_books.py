"""The books over REST: a marketplace's own money, for its keys and its people of support."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from gateway.keys import KeyStore
from tests.e2e.tenants import client_of, key_store, tenant
from tests.e2e.test_support import desk
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of, until


async def read(shop: Shop) -> dict[str, Any]:
    return data_of(await shop.client.get("/books"))


async def looked(shop: Shop) -> dict[str, Any]:
    """Look until a check ends that began after this."""
    first = (await read(shop))["ledger"]["checkedAt"]
    found: list[dict[str, Any]] = [{}]

    async def is_newer() -> bool:
        found[0] = await read(shop)
        return found[0]["ledger"]["checkedAt"] not in {None, first}

    await until(is_newer, what="the books were not checked again")
    return found[0]


@pytest.fixture(scope="module")
async def store(stack: RunningStack) -> AsyncIterator[KeyStore]:
    async with key_store(stack) as opened:
        yield opened


async def test_books_are_the_marketplaces_own_and_show_a_planted_imbalance(
    stack: RunningStack, store: KeyStore
) -> None:
    ours, theirs = await tenant(stack, store), await tenant(stack, store)
    async with ours.shop() as shop, theirs.shop("read") as other:
        await shop.order_in("FUNDS_RESERVED", await shop.pair(amount="100.00"))

        sound, empty = await looked(shop), await looked(other)
        with tampered(stack, ours.id):
            broken = await looked(shop)
        mended = await looked(shop)

    assert sound["ledger"]["money"] == [
        {
            "currency": "USDC",
            "held": "100.00",
            "available": "20.00",
            "reserved": "80.00",
            "inEscrow": "0.00",
            "inSuspense": "0.00",
        }
    ]
    assert [one["holds"] for one in sound["ledger"]["invariants"]] == [True] * 9
    assert (empty["ledger"]["money"], empty["isWell"]) == ([], sound["isWell"])
    failed = [one["name"] for one in broken["ledger"]["invariants"] if not one["holds"]]
    assert [name[:2] for name in failed] == ["I2"]
    assert broken["isWell"] is False
    assert all(one["holds"] for one in mended["ledger"]["invariants"])


async def test_people_of_support_read_the_books_and_keys_need_the_scope_read(
    shop: Shop, stack: RunningStack, store: KeyStore
) -> None:
    async with desk(shop, f"auth0|{uuid.uuid4().hex[:8]}") as support:
        found = await read(support)
    key = await (await tenant(stack, store)).key("write")
    async with client_of(stack, key) as client:
        refused = error_of(await client.get("/books"), status=403)

    assert found["areDepositsSeen"] is True
    assert found["needsOperator"]["count"] >= 0
    assert refused["code"] == "INSUFFICIENT_SCOPE"


@contextlib.contextmanager
def tampered(stack: RunningStack, marketplace_id: uuid.UUID) -> Iterator[None]:
    """Give a user too much for the block, past the service."""

    def give(units: int) -> None:
        with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
            connection.execute(_GIVE, {"units": units, "marketplace_id": marketplace_id})

    give(1)
    try:
        yield
    finally:
        give(-1)


_GIVE = """
update ledger.accounts set credits = credits + %(units)s
where marketplace_id = %(marketplace_id)s and kind = 'user' and holds > 0
"""
