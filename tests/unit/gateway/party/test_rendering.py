"""What the party API prints for the services' messages."""

from typing import Any

import orjson
import pytest
from orchestrator.orders.v1 import orders_pb2
from pydantic import TypeAdapter

from gateway.party.disputes import Dispute, dispute, opened_dispute
from gateway.party.order import ENDS, STATES, Order, order, status
from gateway.party.receipts import Receipt, receipt

from .messages import (
    BUSINESS,
    a_case,
    a_delivery,
    a_receipt,
    an_order,
    at,
    its_dispute,
    usdc,
)

PRINTED = (
    '{"id":"11223344-5566-7788-99aa-bbccddeeff00",'
    '"intention_id":"f6a7b8c9-d0e1-2345-fab0-678901234567",'
    '"personal_id":"aabbccdd-eeff-0011-2233-445566778899",'
    '"business_id":"b2c3d4e5-f6a7-8901-bcde-f12345678901",'
    '"contract_template_id":"d4e5f6a7-b8c9-0123-defa-234567890123","contract_id":null,'
    '"contract_terms":{"delivery_days":3,"revisions":2,'
    '"scope":"Full financial analysis report with visualizations"},'
    '"amount":150.00,"platform_fee":15.00,"currency":"USD","status":"pending_payment",'
    '"paid_at":null,"delivered_at":null,"confirmed_at":null,"delivery_notes":null,'
    '"deliverable_url":null,"milestones":null,"created_at":"2026-02-27T10:30:00Z",'
    '"updated_at":"2026-02-27T10:30:00Z"}'
)
RECEIPT = (
    '{"id":"aabb1122-3344-5566-7788-99aabbccddee",'
    '"order_id":"11223344-5566-7788-99aa-bbccddeeff00",'
    '"personal_id":"aabbccdd-eeff-0011-2233-445566778899",'
    '"business_id":"b2c3d4e5-f6a7-8901-bcde-f12345678901","amount":150.00,"platform_fee":15.00,'
    '"business_income":135.00,"currency":"USD","cost_breakdown":{"base_amount":150.00,'
    '"platform_fee_rate":0.10,"platform_fee":15.00,"business_payout":135.00},'
    '"personal_signal":"satisfied","delta_score":8.7,"response_time_ms":45200,'
    '"contract_id":null,"created_at":"2026-03-01T16:30:00Z"}'
)


def text(data: Any) -> str:
    return orjson.dumps(data).decode()


def test_an_order_is_printed_as_in_the_document_byte_for_byte() -> None:
    assert text(order(an_order())) == PRINTED


def test_a_receipt_is_printed_as_in_the_document_byte_for_byte() -> None:
    assert text(receipt(a_receipt())) == RECEIPT


@pytest.mark.parametrize("is_delivered", [False, True])
@pytest.mark.parametrize(
    ("state", "before", "after"),
    [
        ("ORDER_CREATED", "pending_payment", "pending_payment"),
        ("FUNDS_RESERVED", "pending_payment", "pending_payment"),
        ("ESCROW_CREATING", "pending_payment", "pending_payment"),
        ("ESCROW_FUNDING", "pending_payment", "pending_payment"),
        ("ESCROW_FUNDED", "paid", "delivered"),
        ("IN_PROGRESS", "paid", "delivered"),
        ("RELEASE_REQUESTED", "paid", "delivered"),
        ("RELEASED", "paid", "delivered"),
        ("REFUND_REQUESTED", "paid", "delivered"),
        ("REFUNDED", "paid", "delivered"),
        ("DISPUTED", "disputed", "disputed"),
    ],
)
def test_each_state_has_its_party_status(
    state: str, before: str, after: str, *, is_delivered: bool
) -> None:
    frozen = an_order(state, delivery=a_delivery() if is_delivered else None)

    assert status(frozen) == (after if is_delivered else before)


@pytest.mark.parametrize(
    ("final", "word"),
    [("RELEASED", "completed"), ("REFUNDED", "refunded"), ("CANCELED", "cancelled")],
)
def test_each_final_status_has_its_party_status(final: str, word: str) -> None:
    assert status(an_order("CLOSED", final_status=f"FINAL_STATUS_{final}")) == word


def test_every_state_has_a_party_status() -> None:
    states = set(orders_pb2.OrderState.values()) - {0, orders_pb2.ORDER_STATE_CLOSED}
    ends = set(orders_pb2.FinalStatus.values()) - {0}

    assert set(STATES) == states
    assert set(ENDS) == ends


def test_times_and_delivery_are_printed() -> None:
    frozen = an_order(
        "CLOSED",
        final_status="FINAL_STATUS_RELEASED",
        delivery=a_delivery("Report", "https://cdn.example/r.pdf"),
        funded_at=at("2026-02-27T11:00:00Z"),
        confirmed_at=at("2026-03-01T16:29:59.500Z"),
        milestones=[orders_pb2.Milestone(ref="m1", title="Draft", amount=usdc(15_000))],
    )

    data = orjson.loads(text(order(frozen)))

    assert (data["paid_at"], data["delivered_at"], data["confirmed_at"]) == (
        "2026-02-27T11:00:00Z",
        "2026-02-28T09:15:00Z",
        "2026-03-01T16:29:59Z",
    )
    assert data["delivery_notes"] == "Report"
    assert data["deliverable_url"] == "https://cdn.example/r.pdf"
    assert data["milestones"] == [
        {"ref": "m1", "title": "Draft", "amount": 150.0, "completed_at": None}
    ]


def test_missing_terms_are_an_empty_object() -> None:
    assert '"contract_terms":{}' in text(order(an_order(contract_terms_json="")))


def test_a_dispute_is_the_same_when_it_is_opened_and_when_it_is_read() -> None:
    frozen = an_order("DISPUTED", dispute=its_dispute(), contract_terms_json='{"a":1.10}')
    case = a_case(contract_snapshot_json='{"a":1.10}')

    opened = opened_dispute(
        frozen, by=str(BUSINESS), reason=case.description, evidence=list(case.evidence)
    )

    assert text(opened) == text(dispute(case, of=frozen))
    assert opened["created_at"] == "2026-03-05T14:00:00Z"


def test_a_resolved_dispute_says_how_and_when() -> None:
    case = a_case(
        "RESOLVED",
        decision="DISPUTE_DECISION_SPLIT",
        resolved_at=at("2026-03-06T10:00:00Z"),
        updated_at=at("2026-03-06T10:00:00Z"),
    )

    data = dispute(case, of=an_order("CLOSED", dispute=its_dispute()))

    assert (data["status"], data["resolution"]) == ("resolved", "split")
    assert data["resolved_at"] == data["updated_at"] == "2026-03-06T10:00:00Z"


def test_an_unpaid_decision_is_not_a_resolution() -> None:
    case = a_case("UNDER_REVIEW", decision="DISPUTE_DECISION_FULL_RELEASE")

    data = dispute(case, of=an_order("DISPUTED", dispute=its_dispute()))

    assert (data["status"], data["resolution"]) == ("under_review", None)


@pytest.mark.parametrize(("side", "who"), [("SELLER", "business_id"), ("BUYER", "personal_id")])
def test_a_dispute_opened_by_the_marketplace_is_initiated_by_its_side(side: str, who: str) -> None:
    frozen = an_order("DISPUTED", dispute=its_dispute(opened_by=f"PARTY_{side}"))
    case = a_case(
        initiated_by="",
        description="",
        opened_by=f"PARTY_{side}",
        reason="DISPUTE_REASON_NOT_DELIVERED",
    )

    data = dispute(case, of=frozen)

    assert data["initiated_by"] == dict(order(frozen))[who]
    assert data["reason"] == "not_delivered"


def test_receipt_of_a_split_covers_the_released_part() -> None:
    message = a_receipt(
        released_share=usdc(10_000),
        platform_fee=usdc(1000),
        seller_income=usdc(9000),
        personal_signal="dissatisfied",
    )

    data = orjson.loads(text(receipt(message)))

    assert (data["amount"], data["platform_fee"], data["business_income"]) == (100, 10, 90)


def test_provider_fee_borne_by_the_business_is_shown() -> None:
    message = a_receipt(seller_income=usdc(13_455), provider_fee=usdc(45))

    data = orjson.loads(text(receipt(message)))

    assert data["cost_breakdown"]["provider_fee"] == 0.45
    assert data["business_income"] == data["cost_breakdown"]["business_payout"] == 134.55


def test_missing_score_or_delivery_time_is_null() -> None:
    message = a_receipt(delta_score_tenths=-1, response_time_ms=0)

    data = receipt(message)

    assert (data["delta_score"], data["response_time_ms"]) == (None, None)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Order, order(an_order())),
        (Order, order(an_order("IN_PROGRESS", delivery=a_delivery()))),
        (Receipt, receipt(a_receipt())),
        (
            Dispute,
            dispute(a_case(), of=an_order("DISPUTED", dispute=its_dispute())),
        ),
    ],
)
def test_printed_fields_match_the_documented_model(model: Any, data: dict[str, Any]) -> None:
    printed = orjson.loads(text(data))

    assert TypeAdapter(model).validate_python(printed) == printed
    assert list(printed) == list(model.__annotations__)
