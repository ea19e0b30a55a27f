"""What each route asks of the services, and how it prints their answers and refusals."""

import uuid
from typing import Any

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from tests.integration.gateway.conftest import Services
from tests.integration.gateway.messages import DISPUTE_ID, ORDER_ID, an_order, at, running, usdc
from tests.patience import PATIENCE_SECONDS

from .conftest import mint, own_order, refusal

ORDER = f"/api/v1/orders/{ORDER_ID}"
BUSINESS = uuid.UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901")
JSON = {"content-type": "application/json"}
LEAST = f'{{"business_id": "{BUSINESS}", "amount": 150.00}}'
REASON = "The work is not what was ordered"
DEADLINE_SECONDS = PATIENCE_SECONDS
ACTIONS = {"pay": "PayOrder", "confirm": "ConfirmOrder", "cancel": "CancelOrder"}


async def test_order_creation_is_translated_to_the_services_request(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.orders.answers["CreateOrder"] = own_order(subject)
    intention, template, contract = (str(uuid.uuid4()) for _ in range(3))
    body = (
        f'{{"business_id": "{BUSINESS}", "amount": 150.5, "currency": "USDC",'
        f' "intention_id": "{intention}", "contract_template_id": "{template}",'
        f' "contract_id": "{contract}", "contract_terms": {{"rate": 1.10, "z": [1e5], "a": "é"}}}}'
    )

    answer = await person.post("/api/v1/orders/", content=body, headers=JSON)

    assert answer.status_code == 201
    request = services.orders.last("CreateOrder")
    assert (request.buyer, request.seller) == (str(subject), str(BUSINESS))
    assert (request.amount.asset, request.amount.minor_units) == ("USDC", 150_50 * 100_000)
    assert (request.currency, request.origin) == ("USDC", orders_pb2.ORIGIN_PARTY)
    assert (request.intention_id, request.contract_template_id, request.contract_id) == (
        intention,
        template,
        contract,
    )
    assert request.contract_terms_json == '{"rate":1.10,"z":[1e5],"a":"é"}'
    assert request.title


async def test_omitted_fields_stay_unset(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.orders.answers["CreateOrder"] = own_order(subject)

    await person.post("/api/v1/orders", content=LEAST, headers=JSON)

    request = services.orders.last("CreateOrder")
    assert request.currency == "USD"
    assert request.intention_id == request.contract_id == request.contract_terms_json == ""


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        ("", JSON, 422),
        ("{", JSON, 422),
        ("[]", JSON, 422),
        ('{"a": NaN}', JSON, 422),
        ('{"amount": 1, "amount": 2}', JSON, 422),
        (LEAST.replace("150.00", "1e2"), JSON, 422),
        (LEAST.replace("150.00", "1" * 400), JSON, 422),
        (LEAST[:-1] + ', "contract_terms": {"a": "' + "x" * 17_000 + '"}}', JSON, 422),
        (LEAST[:-1] + ', "contract_terms": ' + '{"a":' * 12 + "1" + "}" * 13, JSON, 422),
        (LEAST, {"content-type": "text/plain"}, 415),
        ("x" * 70_000, JSON, 413),
        (LEAST, {**JSON, "idempotency-key": "x" * 256}, 422),
        (LEAST, {**JSON, "idempotency-key": ""}, 422),
    ],
    ids=range(13),
)
async def test_an_invalid_request_reaches_no_service(
    person: httpx.AsyncClient,
    services: Services,
    content: str,
    headers: dict[str, str],
    status: int,
) -> None:
    answer = await person.post("/api/v1/orders/", content=content, headers=headers)

    assert refusal(answer) == (status, "validation_error")
    assert "CreateOrder" not in [method for method, _, _ in services.orders.asked]


async def test_terms_that_are_too_large_are_named(person: httpx.AsyncClient) -> None:
    content = LEAST[:-1] + ', "contract_terms": {"a": "' + "x" * 17_000 + '"}}'

    answer = await person.post("/api/v1/orders/", content=content, headers=JSON)

    assert [error["field"] for error in answer.json()["errors"]] == ["contract_terms"]


async def test_query_of_a_list_is_passed_to_the_service(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    found = orders_pb2.ListPartyOrdersResponse(orders=[own_order(subject)], total=41)
    services.orders.answers["ListPartyOrders"] = found

    query = "role=personal&status_filter=delivered&offset=20&limit=10"
    answer = await person.get(f"/api/v1/orders/?{query}")

    assert (len(answer.json()["items"]), answer.json()["total"]) == (1, 41)
    request = services.orders.last("ListPartyOrders")
    assert (request.user_id, request.role) == (str(subject), common_pb2.PARTY_BUYER)
    assert (request.status, request.offset, request.limit) == ("delivered", 20, 10)


@pytest.mark.parametrize(("path", "method"), ACTIONS.items())
async def test_action_answers_202_while_it_runs_and_200_when_it_is_done(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID, path: str, method: str
) -> None:
    answers = []
    for operation in (running("PAY"), None):
        services.orders.answers[method] = own_order(subject, operation=operation)
        answers.append(await person.post(f"{ORDER}/{path}", headers={"prefer": "wait=7"}))

    assert [answer.status_code for answer in answers] == [202, 200]
    assert services.orders.last(method).wait_seconds == 7
    assert services.orders.last(method).order_id == str(ORDER_ID)


@pytest.mark.parametrize("is_readable", [True, False])
async def test_insufficient_funds_are_printed_in_the_orders_currency(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID, *, is_readable: bool
) -> None:
    facts = {"available": "20.00", "requested": "80.00", "currency": "USDC"}
    services.orders.answers["PayOrder"] = FailedPrecondition(
        "Too little", reason="INSUFFICIENT_FUNDS", details=facts
    )
    order = own_order(subject, currency="USD")
    services.orders.answers["GetOrder"] = order if is_readable else Unavailable("away")

    answer = await person.post(f"{ORDER}/pay")

    assert refusal(answer) == (422, "insufficient_funds")
    currency = "USD" if is_readable else "USDC"
    assert answer.json()["detail"] == facts | {"currency": currency, "missing": "60.00"}


async def test_a_repeated_answer_has_its_header(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.orders.answers["DeliverOrder"] = own_order(subject, "IN_PROGRESS")
    services.orders.replays = True

    answer = await person.post(
        f"{ORDER}/deliver", json={"delivery_notes": "x"}, headers={"idempotency-key": "once"}
    )

    assert answer.headers["idempotent-replayed"] == "true"
    request = services.orders.last("DeliverOrder")
    assert (request.request_id, request.notes, request.url) == ("k:once", "x", "")
    assert len(request.fingerprint) == 32


async def test_a_dispute_keeps_the_openers_reason(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    dispute = orders_pb2.OrderDispute(id=str(DISPUTE_ID), opened_at=at("2026-03-05T14:00:00Z"))
    services.orders.answers["OpenDispute"] = own_order(subject, "DISPUTED", dispute=dispute)

    links = ["https://cdn.example/a.png", "https://cdn.example/b.pdf"]
    answer = await person.post(f"{ORDER}/dispute", json={"reason": REASON, "evidence": links})

    assert answer.status_code == 201
    request = services.orders.last("OpenDispute")
    assert (request.description, list(request.evidence)) == (REASON, links)
    assert request.reason == orders_pb2.DISPUTE_REASON_OTHER
    assert answer.json()["initiated_by"] == str(subject)
    assert services.disputes.asked == []


async def test_evidence_goes_to_the_case_of_the_order(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    dispute = orders_pb2.OrderDispute(id=str(DISPUTE_ID), opened_at=at("2026-03-05T14:00:00Z"))
    services.orders.answers["GetOrder"] = own_order(subject, "DISPUTED", dispute=dispute)
    links = ["https://cdn.example/c.png"]
    services.disputes.answers["AddEvidence"] = disputes_pb2.Dispute(
        id=str(DISPUTE_ID), order_id=str(ORDER_ID), status="DISPUTE_STATUS_OPEN", evidence=links
    )

    answer = await person.post(f"{ORDER}/dispute/evidence", json={"evidence": links})

    assert answer.json()["evidence"] == links
    request = services.disputes.last("AddEvidence")
    assert (request.dispute_id, list(request.evidence)) == (str(DISPUTE_ID), links)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("deliver", {"deliverable_url": "http://a.b/d"}),
        ("dispute", {"reason": REASON, "evidence": ["http://a.b/d"]}),
        ("dispute/evidence", {"evidence": ["http://a.b/d"]}),
    ],
)
async def test_the_body_is_checked_before_the_order_is_read(
    person: httpx.AsyncClient, services: Services, path: str, body: dict[str, Any]
) -> None:
    unknown = NotFound("Order not found", reason="ORDER_NOT_FOUND")
    for method in ("GetOrder", "DeliverOrder", "OpenDispute"):
        services.orders.answers[method] = unknown

    answer = await person.post(f"{ORDER}/{path}", json=body)

    assert refusal(answer) == (422, "validation_error")


async def test_receipt_of_a_split_covers_the_released_part(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    order = own_order(subject, "CLOSED", final_status="FINAL_STATUS_RELEASED")
    services.orders.answers["GetOrder"] = order
    services.orders.answers["GetReceipt"] = orders_pb2.Receipt(
        order_id=str(ORDER_ID),
        amount=usdc(8000),
        released_share=usdc(5000),
        platform_fee=usdc(500),
        seller_income=usdc(4500),
        platform_fee_bps=1000,
    )

    found = (await person.get(f"{ORDER}/receipt")).json()

    assert (found["amount"], found["platform_fee"], found["business_income"]) == (50, 5, 45)
    assert services.disputes.asked == []


async def test_an_admin_can_read_but_not_change_other_peoples_orders(
    party_url: str, services: Services, subject: uuid.UUID
) -> None:
    dispute = orders_pb2.OrderDispute(id=str(DISPUTE_ID), opened_at=at("2026-03-05T14:00:00Z"))
    services.orders.answers["GetOrder"] = an_order("DISPUTED", dispute=dispute)
    services.orders.answers["GetReceipt"] = orders_pb2.Receipt(
        order_id=str(ORDER_ID), amount=usdc(8000), seller_income=usdc(8000)
    )
    services.disputes.answers["GetDispute"] = disputes_pb2.Dispute(
        id=str(DISPUTE_ID), order_id=str(ORDER_ID), status="DISPUTE_STATUS_OPEN"
    )
    headers = {"authorization": f"Bearer {mint(subject, role='admin')}"}
    async with httpx.AsyncClient(base_url=party_url, headers=headers) as admin:
        assert (await admin.get(ORDER)).json()["id"] == str(ORDER_ID)
        assert (await admin.get(f"{ORDER}/receipt")).json()["order_id"] == str(ORDER_ID)
        assert (await admin.get(f"{ORDER}/dispute")).json()["id"] == str(DISPUTE_ID)
        evidence = {"evidence": ["https://cdn.example/a"]}
        answer = await admin.post(f"{ORDER}/dispute/evidence", json=evidence)
        assert refusal(answer) == (403, "not_party")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(reason="ORDER_NOT_FOUND"), 404, "order_not_found"),
        (PermissionDenied(reason="NOT_BUSINESS"), 403, "not_business"),
        (FailedPrecondition(reason="INVALID_STATE"), 409, "invalid_status_transition"),
        (
            InvalidArgument("Invalid URL: url", reason="INVALID_URL", fields=[("url", "https")]),
            422,
            "validation_error",
        ),
    ],
)
async def test_refusal_of_a_service_is_printed_in_the_party_apis_terms(
    person: httpx.AsyncClient, services: Services, error: Any, status: int, code: str
) -> None:
    services.orders.answers["DeliverOrder"] = error

    answer = await person.post(f"{ORDER}/deliver", json={})

    assert refusal(answer) == (status, code)
    if status == 422:
        assert answer.json()["errors"] == [{"field": "deliverable_url", "message": "https"}]
