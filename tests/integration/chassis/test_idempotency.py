"""Idempotency: one change a request id, its answer given again byte for byte, for 24 hours."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from chassis.database import Transaction
from chassis.idempotency import (
    Idempotency,
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    RequestKey,
)
from kernel.errors import DomainError, FailedPrecondition, InvalidArgument, NotFound
from tests import passing
from tests.integration.chassis.conftest import Shop
from tests.passing import DAY, MOMENT

Work = Callable[[Transaction], Awaitable[bytes]]
ADD = "update things set value = value + 1 where id = 1"


def a_key(**fields: object) -> RequestKey:
    key = RequestKey(
        marketplace_id=uuid.UUID(int=1), scope="", key="order-7", fingerprint=b"\x00\x01"
    )
    return replace(key, **fields)  # type: ignore[arg-type] # one test, one field


async def add_one(tx: Transaction) -> bytes:
    await tx.execute(ADD)
    return uuid.uuid4().bytes + b"\x00"


def refusing(error: DomainError) -> Work:
    async def work(tx: Transaction) -> bytes:
        await tx.execute(ADD)
        raise error

    return work


def value(shop: Shop) -> object:
    return shop.rows("select value from things where id = 1")[0][0]


async def test_the_same_request_again_gives_the_same_bytes(shop: Shop) -> None:
    idempotency = Idempotency()

    first = await idempotency.execute(shop.database, a_key(), add_one)
    again = await idempotency.execute(shop.database, a_key(), add_one)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.body == first.body
    assert value(shop) == 1


async def test_concurrent_repeats_make_one_change(shop: Shop) -> None:
    idempotency = Idempotency()

    answers = await asyncio.gather(
        *(idempotency.execute(shop.database, a_key(), add_one) for _ in range(20))
    )

    assert len({answer.body for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert value(shop) == 1


async def test_another_request_under_the_same_key_is_refused(shop: Shop) -> None:
    idempotency = Idempotency()
    first = await idempotency.execute(shop.database, a_key(), add_one)

    with pytest.raises(IdempotencyKeyReused):
        await idempotency.execute(shop.database, a_key(fingerprint=b"other"), add_one)

    assert value(shop) == 1
    assert (await idempotency.execute(shop.database, a_key(), add_one)).body == first.body


@pytest.mark.parametrize(
    "other",
    [{"marketplace_id": uuid.UUID(int=2)}, {"scope": "somebody"}, {"key": "order-8"}],
)
async def test_the_same_key_of_another_user_is_another_key(
    shop: Shop, other: dict[str, object]
) -> None:
    idempotency = Idempotency()
    await idempotency.execute(shop.database, a_key(), add_one)

    answer = await idempotency.execute(shop.database, a_key(**other), add_one)

    assert not answer.replayed
    assert value(shop) == 2


async def test_a_request_is_in_progress_until_its_first_call_commits(shop: Shop) -> None:
    idempotency = Idempotency()

    async def claim_beside() -> None:
        async with shop.database.transaction() as second:
            await second.execute("set local lock_timeout = '50ms'")
            await idempotency.claim(second, a_key())

    async with shop.database.transaction() as first:
        assert await idempotency.claim(first, a_key()) is None
        with pytest.raises(IdempotencyKeyInProgress):
            await claim_beside()


async def test_a_claimed_request_is_in_progress_until_it_is_finished(shop: Shop) -> None:
    idempotency = Idempotency()
    async with shop.database.transaction() as tx:
        await idempotency.claim(tx, a_key())

    with pytest.raises(IdempotencyKeyInProgress):
        await idempotency.execute(shop.database, a_key(), add_one)

    async with shop.database.transaction() as tx:
        await idempotency.finish(tx, a_key(), b"done")
    answer = await idempotency.execute(shop.database, a_key(), add_one)
    assert (answer.body, answer.replayed) == (b"done", True)
    assert value(shop) == 0


async def test_failed_work_leaves_no_trace(shop: Shop) -> None:
    idempotency = Idempotency()

    async def broken(tx: Transaction) -> bytes:
        await tx.execute(ADD)
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await idempotency.execute(shop.database, a_key(), broken)

    assert value(shop) == 0
    assert shop.rows("select key from idempotency") == []
    assert not (await idempotency.execute(shop.database, a_key(), add_one)).replayed


@pytest.mark.parametrize("kind", [FailedPrecondition, NotFound])
async def test_a_stored_refusal_is_returned_even_if_the_state_has_changed(
    shop: Shop, kind: type[DomainError]
) -> None:
    idempotency = Idempotency()
    details = {"orderId": "ord_1", "allowedStates": ["A", "B"], "available": 7}
    error = kind("Not now", reason="INVALID_STATE", details=details)
    with pytest.raises(kind) as first:
        await idempotency.execute(shop.database, a_key(), refusing(error))

    with pytest.raises(kind) as again:
        await idempotency.execute(shop.database, a_key(), add_one)

    assert (first.value.replayed, again.value.replayed) == (False, True)
    assert again.value.message == "Not now"
    assert again.value.reason == "INVALID_STATE"
    assert again.value.details == details
    assert value(shop) == 0


async def test_a_refusal_for_a_wrong_field_is_not_stored(shop: Shop) -> None:
    idempotency = Idempotency()
    with pytest.raises(InvalidArgument):
        await idempotency.execute(shop.database, a_key(), refusing(InvalidArgument("No")))

    answer = await idempotency.execute(shop.database, a_key(), add_one)

    assert not answer.replayed
    assert value(shop) == 1


async def test_an_answer_is_kept_for_24_hours(shop: Shop) -> None:
    idempotency = Idempotency()
    first = await idempotency.execute(shop.database, a_key(), add_one)

    passing.for_answers(shop.url, DAY - MOMENT, schema="shop")
    at_the_last_moment = await idempotency.execute(shop.database, a_key(), add_one)
    passing.for_answers(shop.url, 2 * MOMENT, schema="shop")
    too_late = await idempotency.execute(shop.database, a_key(fingerprint=b"other"), add_one)

    assert at_the_last_moment.body == first.body
    assert not too_late.replayed
    assert value(shop) == 2


async def test_an_idempotency_key_expires_after_24_hours(shop: Shop) -> None:
    idempotency = Idempotency()
    first = await idempotency.execute(shop.database, a_key(), add_one)
    async with shop.database.transaction() as tx:
        await idempotency.claim(tx, a_key(key="running"))

    passing.for_answers(shop.url, DAY - MOMENT, schema="shop")
    async with shop.database.transaction() as tx:
        at_the_last_moment = await idempotency.known(tx, a_key())
    passing.for_answers(shop.url, 2 * MOMENT, schema="shop")
    async with shop.database.transaction() as tx:
        too_late = await idempotency.known(tx, a_key())
        with pytest.raises(IdempotencyKeyInProgress):
            await idempotency.known(tx, a_key(key="running"))

    assert at_the_last_moment is not None
    assert (at_the_last_moment.body, at_the_last_moment.replayed) == (first.body, True)
    assert too_late is None


async def test_a_running_request_never_expires(shop: Shop) -> None:
    idempotency = Idempotency()
    async with shop.database.transaction() as tx:
        await idempotency.claim(tx, a_key())

    passing.for_answers(shop.url, 30 * DAY, schema="shop")

    with pytest.raises(IdempotencyKeyInProgress):
        await idempotency.execute(shop.database, a_key(), add_one)
    assert await idempotency.purge(shop.database) == 0


async def test_purging_deletes_only_expired_answers(shop: Shop) -> None:
    idempotency = Idempotency()
    await idempotency.execute(shop.database, a_key(key="old"), add_one)
    with pytest.raises(NotFound):
        await idempotency.execute(shop.database, a_key(key="old refusal"), refusing(NotFound()))
    passing.for_answers(shop.url, DAY + MOMENT, schema="shop")
    await idempotency.execute(shop.database, a_key(key="new"), add_one)

    assert await idempotency.purge(shop.database) == 2

    assert shop.rows("select key from idempotency") == [("new",)]
