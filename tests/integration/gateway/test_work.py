"""What the marketplace API says of the work: deliveries and milestones."""

from typing import Any

import httpx
import pytest
from orchestrator.orders.v1 import orders_pb2

from kernel.ids import to_public

from .conftest import Services
from .messages import ORDER_ID, an_order, at, running, usdc

ORD = to_public("ord", ORDER_ID)
ORDER = f"/api/v1/orders/{ORD}"
DONE_AT = "2026-02-18T10:30:00Z"
DRAFT = {
    "ref": "draft",
    "title": "Drafts",
    "description": None,
    "amount": "30.00",
    "status": "COMPLETED",
    "completedAt": "2026-02-18T10:30:00.000Z",
}
FINAL = {
    "ref": "final",
    "title": "Files",
    "description": "All formats",
    "amount": "50.00",
    "status": "PENDING",
    "completedAt": None,
}


def divided(**changes: Any) -> orders_pb2.Order:
    """Return an order of two milestones, of which one is completed."""
    draft = orders_pb2.Milestone(
        ref="draft", title="Drafts", amount=usdc(3000), completed_at=at(DONE_AT)
    )
    final = orders_pb2.Milestone(
        ref="final", title="Files", description="All formats", amount=usdc(5000)
    )
    return an_order("IN_PROGRESS", milestones=[draft, final], **changes)


async def test_delivering_prints_the_delivery(rest: httpx.AsyncClient, services: Services) -> None:
    delivered = orders_pb2.Delivery(notes="Done", delivered_at=at(DONE_AT))
    services.orders.answers["DeliverOrder"] = an_order("IN_PROGRESS", delivery=delivered)

    answer = await rest.post(
        f"{ORDER}/deliver", json={"notes": "Done"}, headers={"idempotency-key": "d-1"}
    )

    delivery = {"notes": "Done", "url": None, "deliveredAt": "2026-02-18T10:30:00.000Z"}
    data = {"id": ORD, "status": "IN_PROGRESS", "delivery": delivery}
    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": data})
    assert services.orders.last("DeliverOrder").request_id.endswith("d-1")


async def test_milestones_are_listed_in_the_orders_sequence(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["GetOrder"] = divided()

    answer = await rest.get(f"{ORDER}/milestones")

    assert answer.json() == {
        "success": True,
        "data": [DRAFT, FINAL],
        "hasMore": False,
        "nextCursor": None,
    }


async def test_completing_prints_the_order_and_the_milestone(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CompleteMilestone"] = divided()

    answer = await rest.post(f"{ORDER}/milestones/draft/complete")

    data = {"id": ORD, "status": "IN_PROGRESS", "milestone": DRAFT}
    assert (answer.status_code, answer.json()) == (200, {"success": True, "data": data})
    assert services.orders.last("CompleteMilestone").ref == "draft"


async def test_completion_that_takes_longer_is_answered_with_its_operation(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CompleteMilestone"] = divided(operation=running("COMPLETE_MILESTONE"))

    answer = await rest.post(f"{ORDER}/milestones/final/complete", headers={"prefer": "wait=0"})

    assert answer.status_code == 202
    assert answer.json()["data"]["operation"]["kind"] == "COMPLETE_MILESTONE"
    assert answer.json()["data"]["milestone"] == FINAL


async def test_ref_is_read_as_it_was_given(rest: httpx.AsyncClient, services: Services) -> None:
    services.orders.answers["CompleteMilestone"] = divided()

    await rest.post(f"{ORDER}/milestones/the%20first%3F%20%C3%BC/complete")
    too_long = await rest.post(f"{ORDER}/milestones/{'x' * 65}/complete")

    assert services.orders.last("CompleteMilestone").ref == "the first? ü"
    assert too_long.json()["error"]["code"] == "MILESTONE_NOT_FOUND"


@pytest.mark.parametrize(("body", "force"), [({}, False), ({"force": True}, True)])
async def test_release_is_forced_only_where_the_caller_says_so(
    rest: httpx.AsyncClient, services: Services, body: dict[str, Any], *, force: bool
) -> None:
    services.orders.answers["ReleaseFunds"] = an_order()

    await rest.post(f"{ORDER}/resolution/release", json=body)

    assert services.orders.last("ReleaseFunds").force is force
