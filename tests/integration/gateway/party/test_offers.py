"""Offers in the party API: what is asked of the service, and what is printed."""

import uuid

import httpx
from orchestrator.orders.v1 import offers_pb2

from kernel.errors import FailedPrecondition, PermissionDenied
from tests.integration.gateway.conftest import Services
from tests.integration.gateway.messages import ORDER_ID, at, usdc
from tests.integration.gateway.test_offers import OFFER_ID, SELLER, an_offer

from .conftest import own_order, refusal

OFFERS = f"/api/v1/orders/{ORDER_ID}/offers"
PRINTED = {
    "id": str(OFFER_ID),
    "order_id": str(ORDER_ID),
    "status": "open",
    "offered_by": "personal",
    "refund_amount": 20.0,
    "release_amount": 60.0,
    "message": "Two are missing",
    "created_at": "2026-02-18T10:00:00Z",
    "expires_at": "2026-02-21T10:00:00Z",
    "decided_at": None,
}


async def test_person_makes_lists_and_reads_offers(
    person: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["MakeOffer"] = services.orders.answers["GetOffer"] = an_offer()
    services.orders.answers["ListOffers"] = offers_pb2.ListOffersResponse(offers=[an_offer()])

    made = await person.post(OFFERS, json={"refund_amount": 20.00, "message": "Two are missing"})
    listed = await person.get(OFFERS)
    found = await person.get(f"{OFFERS}/{OFFER_ID}")

    assert (made.status_code, made.json()) == (201, PRINTED)
    assert listed.json() == {"items": [PRINTED], "total": 1}
    assert found.json() == PRINTED
    request = services.orders.last("MakeOffer")
    assert (request.refund_amount, request.offered_by) == (usdc(2000), 0)


async def test_person_answers_offers(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.orders.answers["AcceptOffer"] = own_order(
        subject, "CLOSED", final_status="FINAL_STATUS_RELEASED"
    )
    services.orders.answers["DeclineOffer"] = an_offer(
        "DECLINED", decided_by=SELLER, decided_at=at("2026-02-18T11:00:00Z")
    )

    accepted = await person.post(f"{OFFERS}/{OFFER_ID}/accept")
    declined = await person.post(f"{OFFERS}/{OFFER_ID}/decline", json={})

    assert (accepted.status_code, accepted.json()["status"]) == (200, "completed")
    assert declined.json() == {
        **PRINTED,
        "status": "declined",
        "decided_at": "2026-02-18T11:00:00Z",
    }


async def test_refusals_are_printed_in_the_party_apis_terms(
    person: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["AcceptOffer"] = PermissionDenied("x", reason="OFFER_IS_OWN")
    services.orders.answers["MakeOffer"] = FailedPrecondition("x", reason="OFFER_ALREADY_OPEN")

    own = await person.post(f"{OFFERS}/{OFFER_ID}/accept")
    second = await person.post(OFFERS, json={"refund_amount": 20.00})
    wrong = await person.post(OFFERS, json={"refund_amount": 0})

    assert refusal(own) == (403, "offer_is_own")
    assert own.json()["message"] == "Only the other party can answer this offer"
    assert refusal(second) == (409, "offer_already_open")
    assert refusal(wrong) == (422, "validation_error")
