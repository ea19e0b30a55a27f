"""Transfers through the batcher on a real database, one caller and many."""

import asyncio
import uuid

import pytest

from kernel.ids import MarketplaceId, OrderId, UserId
from services.ledger.batch import Posting
from services.ledger.book import Result, TransferStatus
from services.ledger.domain import UserNotFound
from tests.integration.ledger.conftest import (
    USDC,
    WORLD,
    House,
    escrow,
    pending,
    post,
    single,
    void,
)

CREATED, EXISTS, REFUSED = TransferStatus.CREATED, TransferStatus.EXISTS, TransferStatus.REFUSED


def statuses(results: list[Result]) -> list[TransferStatus]:
    return sorted(result.status for result in results)


async def test_an_orders_money_moves_from_outside_to_the_seller(house: House) -> None:
    ann, bob, order = await house.user(1000), await house.user(), escrow()
    hold = pending(ann, order, 800)

    await house.post(hold)
    reserved = await house.balance(ann)
    await house.post(post(hold))
    await house.post(
        single(order, bob, 790, linked=True), single(order, "fees:provider", 10, linked=False)
    )

    assert (reserved.available, reserved.reserved) == (200, 800)
    assert (await house.balance(ann)).available == 200
    assert (await house.balance(bob)).available == 790
    accounts = await house.service.list_accounts(
        marketplace_id=house.marketplace, only_open=False, after=0, size=10
    )
    assert {one.name: one.balance for one in accounts} == {
        WORLD: -1000,
        order: 0,
        "fees:provider": 10,
    }


async def test_concurrent_reservations_of_one_balance_never_overdraw_it(house: House) -> None:
    ann = await house.user(100)
    await house.replica()

    results = await asyncio.gather(
        *(house.post(pending(ann, escrow(), 3), replica=index % 2) for index in range(64))
    )

    answered = [one for answer in results for one in answer]
    assert statuses(answered) == [CREATED] * 33 + [REFUSED] * 31
    assert {one.reason for one in answered} == {"", "INSUFFICIENT_FUNDS"}
    left = await house.balance(ann)
    assert (left.available, left.reserved) == (1, 99)


async def test_concurrent_callers_share_commits(house: House) -> None:
    ann = await house.user(1000)

    await asyncio.gather(*(house.post(pending(ann, escrow(), 1)) for _ in range(100)))

    [(transactions,)] = house.rows(
        "select count(distinct xmin::text) from ledger.transfers"
        " where marketplace_id = %s and type = 2",
        house.marketplace,
    )
    assert transactions < 50


async def test_of_a_concurrent_post_and_void_one_wins(house: House) -> None:
    ann = await house.user(1000)
    await house.replica()
    await house.replica()
    for _ in range(12):
        hold = pending(ann, escrow(), 5)
        await house.post(hold)

        answers = await asyncio.gather(
            house.post(post(hold), replica=0),
            house.post(void(hold), replica=1),
            house.post(post(hold), replica=2),
        )

        results = [one for answer in answers for one in answer]
        assert statuses(results) == [CREATED, REFUSED, REFUSED]
        reasons = {one.reason for one in results if one.reason}
        assert reasons <= {"PENDING_ALREADY_POSTED", "PENDING_ALREADY_VOIDED"}
    assert (await house.balance(ann)).reserved == 0


@pytest.mark.parametrize("debit", [WORLD, "manual"])
async def test_concurrent_replicas_create_a_transfer_once(house: House, debit: str) -> None:
    # Neither account is locked: only the transfer's id stops the second one.
    await house.replica()
    for _ in range(20):
        asked = single(debit, "suspense", 7)

        answers = await asyncio.gather(house.post(asked, replica=0), house.post(asked, replica=1))

        assert statuses([one for answer in answers for one in answer]) == [CREATED, EXISTS]


async def test_concurrent_replicas_open_a_new_escrow_once(house: House) -> None:
    await house.replica()
    ann = await house.user(1000)
    for _ in range(12):
        order = escrow()

        answers = await asyncio.gather(
            house.post(single(WORLD, order, 7), replica=0),
            house.post(pending(ann, order, 8), replica=1),
        )

        assert statuses([one for answer in answers for one in answer]) == [CREATED, CREATED]


async def test_crossing_transfers_of_replicas_do_not_deadlock(house: House) -> None:
    names = [await house.user(1000) for _ in range(6)]
    await house.replica()
    pairs = [(one, other) for one in names for other in names if one != other]

    answers = await asyncio.gather(
        *(
            house.post(single(one, other, 1), replica=index % 2)
            for index, (one, other) in enumerate(pairs * 4)
        )
    )

    assert all(result.status is CREATED for answer in answers for result in answer)
    assert {(await house.balance(name)).available for name in names} == {1000}


async def test_concurrent_repeats_of_a_transfer_happen_once(house: House) -> None:
    ann, bob = await house.user(100), await house.user()
    asked = single(ann, bob, 60)

    answers = await asyncio.gather(*(house.post(asked) for _ in range(10)))

    assert statuses([one for answer in answers for one in answer]) == [CREATED] + [EXISTS] * 9
    assert (await house.balance(bob)).available == 60


async def test_a_refusal_affects_its_own_caller_only(house: House) -> None:
    ann, bob = await house.user(10), await house.user(10)

    [poor], [rich] = await asyncio.gather(
        house.post(single(ann, bob, 11)), house.post(single(bob, ann, 10))
    )

    assert (poor.reason, poor.available, rich.status) == ("INSUFFICIENT_FUNDS", 10, CREATED)
    assert (await house.balance(ann)).available == 20


async def test_a_cancelled_caller_does_not_stop_the_batch(house: House) -> None:
    ann = await house.user(100)
    asked = pending(ann, escrow(), 40)
    leaving = asyncio.ensure_future(house.post(asked))
    await asyncio.sleep(0)
    leaving.cancel()

    [staying] = await house.post(pending(ann, escrow(), 10))

    assert staying.status is CREATED
    [again] = await house.post(asked)
    assert again.status is EXISTS


async def test_linked_transfers_are_made_together_or_not_at_all(house: House) -> None:
    ann, bob, order = await house.user(100), await house.user(), escrow()
    hold = pending(ann, order, 80, linked=True)
    group = [hold, post(hold, linked=True), single(order, bob, 81)]

    refused = await house.post(*group)
    happened = await house.post(*group[:2], single(order, bob, 80))

    left_out = "LINKED_TRANSFER_REFUSED"
    assert [left_out, left_out, "INSUFFICIENT_FUNDS"] == [one.reason for one in refused]
    assert [one.status for one in happened] == [CREATED] * 3
    assert (await house.balance(bob)).available == 80


async def test_transfers_of_a_list_are_decided_in_their_order(house: House) -> None:
    ann, bob = await house.user(10), await house.user()

    results = await house.post(
        single(bob, ann, 4), single(ann, bob, 10), single(bob, ann, 4), single(bob, ann, 7)
    )

    funds = "INSUFFICIENT_FUNDS"
    assert [funds, "", "", funds] == [one.reason for one in results]
    assert (results[3].available, results[3].requested) == (6, 7)


async def test_a_marketplace_cannot_use_accounts_or_transfers_of_another(house: House) -> None:
    ann = await house.user(100)
    hold = pending(ann, escrow(), 50)
    await house.post(hold)
    other = MarketplaceId(uuid.uuid4())

    posted = await house.service.post_transfers(
        Posting(
            marketplace_id=other,
            transfers=[post(hold), void(hold), single(ann, "suspense", 1), hold],
        )
    )

    reasons = [one.reason for one in posted.results]
    gone, closed = "PENDING_NOT_FOUND", "ACCOUNT_NOT_FOUND"
    assert [gone, gone, closed, closed] == reasons
    with pytest.raises(UserNotFound):
        await house.service.get_balance(
            marketplace_id=other, user_id=UserId(uuid.UUID(ann[5:])), asset=USDC
        )


async def test_marketplaces_share_a_batch_and_nothing_else(house: House) -> None:
    ann, shared_id = await house.user(), single(WORLD, "suspense", 5).id
    other = MarketplaceId(uuid.uuid4())

    mine, theirs = await asyncio.gather(
        house.post(single(WORLD, ann, 5, id=shared_id)),
        house.service.post_transfers(
            Posting(marketplace_id=other, transfers=[single(WORLD, "suspense", 9, id=shared_id)])
        ),
    )

    assert [mine[0].status, theirs.results[0].status] == [CREATED, CREATED]


async def test_an_orders_transfers_are_listed_oldest_first(house: House) -> None:
    ann, order_id = await house.user(100), OrderId(uuid.uuid4())
    order = f"escrow:{order_id}"
    hold = pending(ann, order, 80, order_id=order_id)
    end = post(hold, order_id=order_id)
    back = single(order, ann, 80, order_id=order_id, transaction_hash="ab" * 32, reason="why")
    await house.post(hold, end, back)

    found = await house.service.list_transfers(marketplace_id=house.marketplace, order_id=order_id)

    assert [hold.id, end.id, back.id] == [one.id for one in found]
    assert (found[1].debit, found[1].credit, found[1].amount) == (ann, order, 80)
    assert (found[2].reason, found[2].transaction_hash) == ("why", "ab" * 32)


async def test_text_arrives_as_it_was_sent(house: House) -> None:
    reason = 'he said "no, \\ {NULL}", NULL, ünïcødé 🎭\n'
    asked = single(WORLD, "suspense", 1, reason=reason)

    await house.post(asked)

    found = await house.service.get_transfer(marketplace_id=house.marketplace, transfer_id=asked.id)
    assert found.reason == reason
    [again] = await house.post(asked)
    assert again.status is EXISTS
