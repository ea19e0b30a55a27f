"""The words of an order are stored once, with several processes and after a crash."""

import asyncio

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from services.orders.lookups import indexer
from services.orders.lookups.indexer import WordIndexer
from services.orders.lookups.word_store import WordStore
from tests.integration.orders.conftest import Shop, oid
from tests.integration.orders.listing import asked, ids
from tests.patience import PATIENCE_SECONDS


async def test_a_new_order_is_found_by_its_words_once_they_are_written(shop: Shop) -> None:
    order = await _made(shop, "A blue logo", "For the bakery, blue")
    assert await _found(shop, "bakery") == []

    assert await WordIndexer(database=shop.database).index() == 1

    for text in ("bakery", "Blue", "LOGO bakery", "the a for"):
        assert await _found(shop, text) == [oid(order)]
    for text in ("bak", "red", "logo red", "--"):
        assert await _found(shop, text) == []
    assert await shop.count("words_due") == 0
    assert await WordIndexer(database=shop.database).index() == 0


async def test_the_words_of_a_new_order_are_written_without_waiting_for_the_next_look(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "SELDOM_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(indexer, "TOGETHER_SECONDS", 0.01)
    looks = asyncio.Queue[int]()
    index = WordIndexer.index

    async def counted(one: WordIndexer) -> int:
        found = await index(one)
        looks.put_nowait(found)
        return found

    monkeypatch.setattr(WordIndexer, "index", counted)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as running:
        indexing = running.create_task(
            WordIndexer(database=shop.database, bell=shop.new_words).run()
        )
        assert await looks.get() == 0
        # It rests now.
        order = await _made(shop, "Logo", "")
        assert await looks.get() == 1
        indexing.cancel()

    assert await _found(shop, "logo") == [oid(order)]


async def test_two_processes_write_the_words_of_every_order(
    two_shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer, "BATCH", 2)
    shop = two_shops[0]
    made = [oid(await _made(shop, f"Logo {number}", "")) for number in range(9)]

    async def work(process: Shop) -> None:
        while await WordIndexer(database=process.database).index():
            pass

    await asyncio.gather(*map(work, two_shops))

    assert await _found(shop, "logo") == made[::-1]
    assert await shop.count("words") == 18


async def test_words_that_are_not_written_stay_due(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await _made(shop, "Logo", "")
    with monkeypatch.context() as patched:
        patched.setattr(WordStore, "add", _fail)
        with pytest.raises(RuntimeError):
            await WordIndexer(database=shop.database).index()

    assert await WordIndexer(database=shop.database).index() == 1
    assert await _found(shop, "logo") == [oid(order)]


async def test_order_indexed_twice_is_found_once(shop: Shop, postgres_admin: str) -> None:
    order = await _made(shop, "Logo", "")
    await WordIndexer(database=shop.database).index()
    with psycopg.connect(postgres_admin) as connection:
        connection.execute(
            "insert into orders.words_due select marketplace_id, id from orders.orders"
        )

    assert await WordIndexer(database=shop.database).index() == 1
    assert await _found(shop, "logo") == [oid(order)]


async def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("the process died")


async def _made(shop: Shop, title: str, description: str) -> orders_pb2.Order:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    return await shop.order(title=title, description=description)


async def _found(shop: Shop, text: str) -> list[object]:
    request = orders_pb2.ListOrdersRequest(text=text)
    request.page.page_size = 100
    return list(ids([await asked(shop, request)]))
