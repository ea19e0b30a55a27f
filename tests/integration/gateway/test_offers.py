"""Offers in the marketplace API: what is asked of the service, and what is printed."""

import uuid
from typing import Any

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import offers_pb2

from kernel.errors import DomainError, FailedPrecondition, InvalidArgument, PermissionDenied
from kernel.ids import to_public

from .conftest import Services
from .messages import ORDER_ID, an_order, at, usdc

OFFER_ID = uuid.UUID("018f0000-0000-7000-8000-0000000000aa")
ORD, OFF = to_public("ord", ORDER_ID), to_public("off", OFFER_ID)
OFFERS = f"/api/v1/orders/{ORD}/offers"
SELLER, BUYER = common_pb2.PARTY_SELLER, common_pb2.PARTY_BUYER
PRINTED = {
    "id": OFF,
    "orderId": ORD,
    "status": "OPEN",
    "offeredBy": "BUYER",
    "refundAmount": "20.00",
    "releaseAmount": "60.00",
    "message": "Two are missing",
    "createdAt": "2026-02-18T10:00:00.000Z",
    "expiresAt": "2026-02-21T10:00:00.000Z",
    "decidedBy": None,
    "decidedAt": None,
}


def an_offer(state: str = "OPEN", **changes: Any) -> offers_pb2.Offer:
    """Return an offer of the buyer."""
    values: dict[str, Any] = {
        "id": str(OFFER_ID),
        "order_id": str(ORDER_ID),
        "state": f"OFFER_STATE_{state}",
        "offered_by": BUYER,
        "refund_amount": usdc(2000),
        "release_amount": usdc(6000),
        "message": "Two are missing",
        "created_at": at("2026-02-18T10:00:00Z"),
        "expires_at": at("2026-02-21T10:00:00Z"),
    }
    return offers_pb2.Offer(**(values | changes))


@pytest.mark.parametrize(
    ("asked", "by"), [({}, 0), ({"requestedBy": "SELLER"}, SELLER), ({"requested_by": None}, 0)]
)
async def test_making_an_offer_prints_it(
    rest: httpx.AsyncClient, services: Services, asked: dict[str, Any], by: int
) -> None:
    services.orders.answers["MakeOffer"] = an_offer()
    body = {"refundAmount": "20.00", "message": "Two are missing", **asked}

    answer = await rest.post(OFFERS, json=body)

    assert (answer.status_code, answer.json()) == (201, {"success": True, "data": PRINTED})
    request = services.orders.last("MakeOffer")
    assert (request.order_id, request.refund_amount) == (str(ORDER_ID), usdc(2000))
    assert (request.message, request.offered_by) == ("Two are missing", by)


async def test_offers_are_listed_and_read(rest: httpx.AsyncClient, services: Services) -> None:
    services.orders.answers["ListOffers"] = offers_pb2.ListOffersResponse(offers=[an_offer()])
    services.orders.answers["GetOffer"] = an_offer()

    listed = (await rest.get(OFFERS)).json()
    for spelling in (OFF, str(OFFER_ID)):
        assert (await rest.get(f"{OFFERS}/{spelling}")).json()["data"] == PRINTED
        assert services.orders.last("GetOffer").offer_id == str(OFFER_ID)

    assert (listed["data"], listed["hasMore"], listed["nextCursor"]) == ([PRINTED], False, None)


async def test_accepting_prints_how_the_order_ended(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["AcceptOffer"] = an_order(
        "CLOSED", final_status="FINAL_STATUS_RELEASED", closed_at=at("2026-02-18T11:00:00Z")
    )

    answer = await rest.post(f"{OFFERS}/{OFF}/accept", json={"requestedBy": "SELLER"})

    assert answer.json()["data"] == {
        "id": ORD,
        "status": "CLOSED",
        "finalStatus": "RELEASED",
        "closedAt": "2026-02-18T11:00:00.000Z",
    }
    request = services.orders.last("AcceptOffer")
    assert (request.offer_id, request.answered_by) == (str(OFFER_ID), SELLER)


async def test_declining_prints_the_offer(rest: httpx.AsyncClient, services: Services) -> None:
    services.orders.answers["DeclineOffer"] = an_offer(
        "DECLINED", decided_by=SELLER, decided_at=at("2026-02-18T11:00:00Z")
    )

    answer = await rest.post(f"{OFFERS}/{OFF}/decline")

    ended = {"status": "DECLINED", "decidedBy": "SELLER", "decidedAt": "2026-02-18T11:00:00.000Z"}
    assert answer.json()["data"] == {**PRINTED, **ended}
    assert services.orders.last("DeclineOffer").answered_by == 0


@pytest.mark.parametrize("path", ["off_short", "nonsense", "off_" + "!" * 22])
async def test_impossible_id_is_not_found(rest: httpx.AsyncClient, path: str) -> None:
    for answer in (await rest.get(f"{OFFERS}/{path}"), await rest.post(f"{OFFERS}/{path}/accept")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "OFFER_NOT_FOUND")


REFUSALS: tuple[tuple[DomainError, int, str], ...] = (
    (FailedPrecondition("x", reason="OFFER_NOT_OPEN"), 409, "OFFER_NOT_OPEN"),
    (FailedPrecondition("x", reason="OFFER_ALREADY_OPEN"), 409, "OFFER_ALREADY_OPEN"),
    (FailedPrecondition("x", reason="TOO_MANY_OFFERS"), 409, "TOO_MANY_OFFERS"),
    (PermissionDenied("x", reason="OFFER_IS_OWN"), 403, "OFFER_IS_OWN"),
    (
        InvalidArgument("x", reason="OFFER_AMOUNT_NOT_VALID", fields=[("refund_amount", "y")]),
        400,
        "VALIDATION_ERROR",
    ),
)


@pytest.mark.parametrize(("refusal", "status", "code"), REFUSALS, ids=str)
async def test_refusals_have_their_documented_codes(
    rest: httpx.AsyncClient, services: Services, refusal: DomainError, status: int, code: str
) -> None:
    services.orders.answers["MakeOffer"] = refusal

    answer = await rest.post(OFFERS, json={"refundAmount": "20.00"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if status == 400:
        fields = answer.json()["error"]["details"]["fields"]
        assert fields == [{"field": "refundAmount", "message": "y"}]
