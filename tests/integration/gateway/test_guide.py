"""The guide's purchase, step by step: requests to the services, and printed answers."""

import uuid

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.ids import to_public

from .conftest import Services
from .messages import (
    CONTRACT,
    DISPUTE_ID,
    ESCROW_ID,
    ORDER_ID,
    an_escrow,
    an_order,
    at,
    usdc,
)

ORD, ESC, DSP = (
    to_public("ord", ORDER_ID),
    to_public("esc", ESCROW_ID),
    to_public("dsp", DISPUTE_ID),
)
CREATE = {
    "buyerId": "usr_buyer123",
    "sellerId": "usr_seller456",
    "amount": "80.00",
    "title": "Logo design",
    "description": "Design a logo for my startup",
}


def done(answer: httpx.Response, status: int = 200) -> object:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == ["success", "data"]
    assert body["success"] is True
    return body["data"]


async def test_creating_an_order_prints_the_documented_fields(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CreateOrder"] = an_order()

    answer = await rest.post("/api/v1/orders", json=CREATE)

    assert done(answer, 201) == {
        "id": ORD,
        "status": "ORDER_CREATED",
        "buyerId": "usr_buyer123",
        "sellerId": "usr_seller456",
        "amount": "80.00",
        "title": "Logo design",
        "createdAt": "2026-02-18T10:00:00.000Z",
    }
    request = services.orders.last("CreateOrder")
    assert request.amount == usdc(8000)
    assert request.origin == orders_pb2.ORIGIN_MARKETPLACE
    assert request.description == "Design a logo for my startup"


async def test_optional_fields_are_printed_where_they_were_given(
    rest: httpx.AsyncClient, services: Services
) -> None:
    milestone = orders_pb2.Milestone(ref="m1", title="Sketch", amount=usdc(8000))
    services.orders.answers["CreateOrder"] = an_order(
        client_order_ref="A-1", milestones=[milestone], metadata_json='{"a":[1,2.5]}'
    )

    answer = await rest.post(
        "/api/v1/orders",
        json={
            **CREATE,
            "currency": "USDC",
            "clientOrderRef": "A-1",
            "milestones": [{"ref": "m1", "description": "Sketch", "amount": "80.00"}],
            "metadata": {"a": [1, 2.5]},
        },
    )

    data = done(answer, 201)
    assert isinstance(data, dict)
    assert {key: data[key] for key in list(data)[7:]} == {
        "currency": "USDC",
        "clientOrderRef": "A-1",
        "milestones": [
            {
                "ref": "m1",
                "title": "Sketch",
                "description": None,
                "amount": "80.00",
                "status": "PENDING",
                "completedAt": None,
            }
        ],
        "metadata": {"a": [1, 2.5]},
    }
    assert services.orders.last("CreateOrder").metadata_json == '{"a":[1,2.5]}'


async def test_reserving_prints_the_documented_fields(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["ReserveFunds"] = an_order(
        "FUNDS_RESERVED", reserved_at=at("2026-02-18T10:01:00Z")
    )

    answer = await rest.post(f"/api/v1/orders/{ORD}/reserve", json={"amount": "80.00"})

    assert done(answer) == {
        "id": ORD,
        "status": "FUNDS_RESERVED",
        "reservedAt": "2026-02-18T10:01:00.000Z",
    }
    request = services.orders.last("ReserveFunds")
    assert (request.order_id, request.amount) == (str(ORDER_ID), usdc(8000))
    assert request.wait_seconds == 30


async def test_creating_an_escrow_answers_before_it_is_deployed(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CreateEscrow"] = an_order(
        "ESCROW_CREATING", escrow=an_escrow("CREATING")
    )

    answer = await rest.post(f"/api/v1/orders/{ORD}/escrow")

    assert done(answer) == {
        "id": ORD,
        "status": "ESCROW_CREATING",
        "escrow": {"id": ESC, "trustlessContractId": CONTRACT, "status": "CREATING"},
    }


async def test_funding_prints_the_documented_fields(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["FundEscrow"] = an_order(
        "IN_PROGRESS", escrow=an_escrow("FUNDED", funded_at=at("2026-02-18T10:05:00Z"))
    )

    answer = await rest.post(f"/api/v1/orders/{ORD}/escrow/fund")

    assert done(answer) == {
        "id": ORD,
        "status": "IN_PROGRESS",
        "escrow": {"id": ESC, "status": "FUNDED", "fundedAt": "2026-02-18T10:05:00.000Z"},
    }


@pytest.mark.parametrize(
    ("path", "rpc", "final"),
    [("release", "ReleaseFunds", "RELEASED"), ("refund", "RefundOrder", "REFUNDED")],
)
async def test_release_and_refund_print_the_documented_fields(
    rest: httpx.AsyncClient, services: Services, path: str, rpc: str, final: str
) -> None:
    services.orders.answers[rpc] = an_order(
        "CLOSED", final_status=f"FINAL_STATUS_{final}", closed_at=at("2026-02-18T11:00:00Z")
    )

    answer = await rest.post(
        f"/api/v1/orders/{ORD}/resolution/{path}", json={"requestedBy": "BUYER"}
    )

    assert done(answer) == {
        "id": ORD,
        "status": "CLOSED",
        "finalStatus": final,
        "closedAt": "2026-02-18T11:00:00.000Z",
    }
    assert services.orders.last(rpc).requested_by == common_pb2.PARTY_BUYER


async def test_canceling_prints_the_documented_fields(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["CancelOrder"] = an_order(
        "CLOSED", final_status="FINAL_STATUS_CANCELED", closed_at=at("2026-02-18T11:00:00Z")
    )

    answer = await rest.post(
        f"/api/v1/orders/{ORD}/cancel", json={"canceledBy": "BUYER", "reason": "Changed my mind"}
    )

    assert done(answer) == {"id": ORD, "status": "CLOSED", "finalStatus": "CANCELED"}
    assert services.orders.last("CancelOrder").reason == "Changed my mind"


async def test_opening_a_dispute_prints_the_documented_fields(
    rest: httpx.AsyncClient, services: Services
) -> None:
    dispute = orders_pb2.OrderDispute(
        id=str(DISPUTE_ID),
        status="OPEN",
        opened_by=common_pb2.PARTY_BUYER,
        reason=orders_pb2.DISPUTE_REASON_QUALITY_ISSUE,
    )
    services.orders.answers["OpenDispute"] = an_order("DISPUTED", dispute=dispute)

    answer = await rest.post(
        f"/api/v1/orders/{ORD}/resolution/dispute",
        json={"openedBy": "BUYER", "reason": "QUALITY_ISSUE"},
    )

    assert done(answer) == {
        "id": ORD,
        "status": "DISPUTED",
        "dispute": {
            "id": DSP,
            "status": "OPEN",
            "openedBy": "BUYER",
            "reason": "QUALITY_ISSUE",
        },
    }


async def test_both_spellings_of_an_id_are_accepted(
    rest: httpx.AsyncClient, services: Services
) -> None:
    services.orders.answers["GetOrder"] = an_order()

    for spelling in (ORD, str(ORDER_ID), str(ORDER_ID).upper()):
        answer = await rest.get(f"/api/v1/orders/{spelling}")

        assert answer.json()["data"]["id"] == ORD
        assert services.orders.last("GetOrder").order_id == str(ORDER_ID)


@pytest.mark.parametrize("text", ["ord_", "ord_short", "nonsense", str(uuid.UUID(int=0))[:-1]])
async def test_an_impossible_id_is_not_found(
    rest: httpx.AsyncClient, services: Services, text: str
) -> None:
    answer = await rest.get(f"/api/v1/orders/{text}")

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ORDER_NOT_FOUND"
    assert services.orders.asked == []


async def test_a_resolved_dispute_answers_with_its_closed_order(
    rest: httpx.AsyncClient, services: Services
) -> None:
    resolved = orders_pb2.OrderDispute(
        id=str(DISPUTE_ID),
        status="RESOLVED",
        decision=orders_pb2.DISPUTE_DECISION_SPLIT,
        resolved_at=at("2026-02-18T11:00:00Z"),
    )
    services.orders.answers["ResolveDispute"] = an_order(
        "CLOSED",
        final_status="FINAL_STATUS_RELEASED",
        closed_at=at("2026-02-18T11:00:00Z"),
        dispute=resolved,
        released_share=usdc(5000),
        released_amount=usdc(4500),
        refunded_amount=usdc(3000),
    )
    body = {"decision": "SPLIT", "releaseAmount": "50.00", "refundAmount": "30.00", "note": "half"}

    answer = await rest.post(f"/api/v1/disputes/{DSP}/resolve", json=body)

    assert done(answer) == {
        "id": DSP,
        "status": "RESOLVED",
        "decision": "SPLIT",
        "releaseAmount": "50.00",
        "refundAmount": "30.00",
        "resolvedAt": "2026-02-18T11:00:00.000Z",
        "order": {
            "id": ORD,
            "status": "CLOSED",
            "finalStatus": "RELEASED",
            "closedAt": "2026-02-18T11:00:00.000Z",
        },
    }
    request = services.orders.last("ResolveDispute")
    assert (request.release_amount, request.refund_amount) == (usdc(5000), usdc(3000))


@pytest.mark.parametrize(("state", "status"), [("SUCCEEDED", 201), ("RUNNING", 202)])
async def test_a_manual_credit_is_done_when_the_chain_has_it(
    rest: httpx.AsyncClient, services: Services, state: str, status: int
) -> None:
    services.orders.answers["CreditUser"] = orders_pb2.Credit(
        id=str(ORDER_ID),
        user=common_pb2.UserRef(id=str(uuid.uuid4()), public_id="usr_buyer123"),
        amount=usdc(500),
        reference="promo-1",
        state=state,
        created_at=at("2026-02-18T10:00:00Z"),
    )
    body = {"amount": "5.00", "reference": "promo-1"}

    answer = await rest.post("/api/v1/users/usr_buyer123/balance/credit", json=body)

    data = done(answer, status)
    assert isinstance(data, dict)
    assert (data["userId"], data["amount"], data["status"]) == ("usr_buyer123", "5.00", state)
    request = services.orders.last("CreditUser")
    assert (request.user, request.amount, request.reference) == (
        "usr_buyer123",
        usdc(500),
        "promo-1",
    )


@pytest.mark.parametrize(
    ("end", "charged", "printed"),
    [("RELEASED", 500, "5.00"), ("REFUNDED", 0, "0.00"), ("CANCELED", 0, "0.00")],
)
async def test_a_closed_order_shows_the_charged_platform_fee(
    rest: httpx.AsyncClient, services: Services, end: str, charged: int, printed: str
) -> None:
    services.orders.answers["GetOrder"] = an_order(
        "CLOSED",
        final_status=f"FINAL_STATUS_{end}",
        platform_fee=usdc(800),
        charged_fee=usdc(charged),
        closed_at=at("2026-02-18T11:00:00Z"),
    )

    data = done(await rest.get(f"/api/v1/orders/{ORD}"))

    assert isinstance(data, dict)
    assert data["platformFee"] == printed
