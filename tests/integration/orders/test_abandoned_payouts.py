"""A payout that an operator has proven never to land: the order goes back, and is decided anew."""

from collections.abc import Awaitable, Callable

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.errors import FailedPrecondition
from services.orders.order.domain import Decision, DisputeReason, FinalStatus, Party, State
from services.orders.peers.ports import ProviderError
from tests.integration.orders.conftest import EIGHTY, Shop, oid
from tests.integration.orders.test_leases import execute

Payout = Callable[[Shop, orders_pb2.Order], Awaitable[Answer]]


async def release(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.release_funds(shop.ask(), order_id=oid(order), by=Party.BUYER)


async def refund(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.refund(shop.ask(), order_id=oid(order), by=Party.BUYER, reason="")


async def dispute(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.OTHER,
        description="",
        evidence=(),
        user_id=None,
    )


async def resolve(
    shop: Shop, order: orders_pb2.Order, decision: Decision, shares: tuple[int, int] | None = None
) -> Answer:
    found = await shop.read(order)
    assert found.dispute is not None
    return await shop.service.resolve_dispute(
        shop.ask(),
        dispute_id=found.dispute.id,
        decision=decision,
        release=shares[0] if shares else None,
        refund=shares[1] if shares else None,
        note="",
    )


@pytest.mark.parametrize(("payout", "kind"), [(release, "release"), (refund, "refund")])
async def test_an_order_whose_payout_was_abandoned_is_in_progress_again(
    shop: Shop, payout: Payout, kind: str
) -> None:
    order = await shop.running_order()
    shop.peers.escrow.fails[kind] = "ABANDONED"

    with pytest.raises(ProviderError):
        await payout(shop, order)

    found = await shop.read(order)
    assert found.state is State.IN_PROGRESS
    assert (found.confirmed_at, found.ended_by) == (None, None)
    names = [name for name, _ in await shop.events(order)]
    assert names[-1] == "order.in_progress"
    assert [version for _, version in await shop.events(order)] == [*range(1, len(names) + 1)]


async def test_a_release_that_never_lands_is_turned_into_a_refund(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.fails["release"] = "ABANDONED"
    with pytest.raises(ProviderError):
        await release(shop, order)

    await refund(shop, order)

    found = await shop.read(order)
    assert found.final_status is FinalStatus.REFUNDED
    assert found.refunded_amount == EIGHTY


async def test_a_refund_that_never_lands_is_turned_into_a_decided_split(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.fails["refund"] = "ABANDONED"
    with pytest.raises(ProviderError):
        await refund(shop, order)
    # The refund has frozen the contract before it was abandoned.
    shop.peers.escrow.refuses["freeze"] = _frozen()

    await dispute(shop, order)
    await resolve(shop, order, Decision.SPLIT, (EIGHTY // 2, EIGHTY // 2))

    found = await shop.read(order)
    assert found.final_status is FinalStatus.RELEASED
    assert found.refunded_amount == EIGHTY // 2


async def test_a_decision_that_never_lands_is_withdrawn_and_another_is_made(shop: Shop) -> None:
    order = await shop.running_order()
    await dispute(shop, order)
    shop.peers.escrow.fails["resolve"] = "ABANDONED"
    with pytest.raises(ProviderError):
        await resolve(shop, order, Decision.FULL_RELEASE)
    between = await shop.read(order)
    assert between.dispute is not None
    assert shop.peers.disputes.decisions == {between.dispute.id: None}
    shop.peers.escrow.fails.clear()

    await resolve(shop, order, Decision.FULL_REFUND)

    assert between.state is State.DISPUTED
    assert (await shop.read(order)).final_status is FinalStatus.REFUNDED


async def test_a_release_of_a_frozen_contract_is_refused_and_can_be_disputed(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.refuses["release"] = _frozen()
    shop.peers.escrow.refuses["freeze"] = _frozen()

    with pytest.raises(ProviderError):
        await release(shop, order)
    await dispute(shop, order)
    await resolve(shop, order, Decision.FULL_RELEASE)

    assert (await shop.read(order)).final_status is FinalStatus.RELEASED


async def test_the_clock_does_not_begin_an_abandoned_payout_again(shop: Shop) -> None:
    order = await shop.running_order()
    await shop.service.deliver(shop.ask(), order_id=oid(order), notes="", url="", user_id=None)
    shop.peers.escrow.fails["release"] = "ABANDONED"
    with pytest.raises(ProviderError):
        await release(shop, order)
    shop.peers.escrow.fails.clear()
    await execute(shop, "update orders set rests_since = now() - interval '60 days'")

    passed = await shop.timers.meet_deadlines()

    assert passed == 1
    assert (await shop.read(order)).state is State.IN_PROGRESS
    assert (await shop.events(order))[-1][0] == "order.deadline_passed"


def _frozen() -> FailedPrecondition:
    return FailedPrecondition(
        "The escrow is disputed", reason="ESCROW_NOT_READY", details={"state": "DISPUTED"}
    )
