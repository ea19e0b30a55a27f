"""Disputes on a real database: frozen, decided once, paid by the decision."""

import uuid

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from services.orders.order.domain import (
    Decision,
    DisputeAlreadyOpen,
    DisputeReason,
    Party,
    State,
)
from services.orders.order.endings import SplitAmountsMismatch
from tests.integration.orders.conftest import EIGHTY, Shop, oid, order_of, outcomes


async def test_a_dispute_freezes_and_a_split_pays_both(shop: Shop) -> None:
    order = await shop.running_order()
    disputed = order_of(await _dispute(shop, order))
    with pytest.raises(DisputeAlreadyOpen):
        await _dispute(shop, order)

    answer = await shop.service.resolve_dispute(
        shop.ask(),
        dispute_id=new_dispute_id(disputed),
        decision=Decision.SPLIT,
        release=500_000_000,
        refund=300_000_000,
        note="",
    )

    ledger, resolved = shop.peers.ledger, order_of(answer)
    names = [name for name, _ in await shop.events(order)]
    assert names[-4:] == ["order.disputed", "order.released", "order.refunded", "order.closed"]
    assert resolved.final_status == 1
    assert ledger.available[f"user:{order.seller.id}"] == 500_000_000
    assert ledger.available[f"user:{order.buyer.id}"] == 200_000_000 + 300_000_000
    assert shop.peers.disputes.completed == {new_dispute_id(disputed)}


@pytest.mark.parametrize(
    ("release", "refund"),
    [(EIGHTY, 0), (0, EIGHTY), (None, EIGHTY), (EIGHTY, EIGHTY), (EIGHTY - 1, 1)],
)
async def test_a_split_with_an_empty_part_is_refused(
    shop: Shop, release: int | None, refund: int | None
) -> None:
    order = await shop.running_order()
    disputed = order_of(await _dispute(shop, order))

    with pytest.raises(SplitAmountsMismatch):
        await shop.service.resolve_dispute(
            shop.ask(),
            dispute_id=new_dispute_id(disputed),
            decision=Decision.SPLIT,
            release=release,
            refund=refund,
            note="",
        )

    assert (await shop.read(order)).state is State.DISPUTED


async def test_two_agents_deciding_differently_one_wins(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    order = await one.running_order()
    disputed = order_of(await _dispute(one, order))

    answers, refusals = await outcomes(
        *(
            shop.service.resolve_dispute(
                shop.ask(),
                dispute_id=new_dispute_id(disputed),
                decision=decision,
                release=None,
                refund=None,
                note="",
            )
            for shop, decision in ((one, Decision.FULL_RELEASE), (two, Decision.FULL_REFUND))
        )
    )

    assert (len(answers), len(refusals)) == (1, 1)
    assert refusals[0].reason in {"INVALID_STATE", "DECISION_ALREADY_MADE"}


async def _dispute(shop: Shop, order: orders_pb2.Order) -> Answer:
    return await shop.service.open_dispute(
        shop.ask(),
        order_id=oid(order),
        by=Party.BUYER,
        reason=DisputeReason.QUALITY_ISSUE,
        description="",
        evidence=(),
        user_id=None,
    )


def new_dispute_id(order: orders_pb2.Order) -> uuid.UUID:
    """Return the id of an order's dispute."""
    return uuid.UUID(order.dispute.id)
