"""Refusals with the party API's codes and terms."""

from typing import Any

import pytest

from chassis.status import Internal
from gateway.party import words
from gateway.party.view import PartyView
from kernel import errors as kinds
from kernel.errors import InvalidArgument
from tools import catalogue


def printed(error: kinds.DomainError) -> tuple[int, dict[str, Any], dict[str, str]]:
    view = PartyView(tokens=None, people=None, limiter=None)  # type: ignore[arg-type] # not asked
    refusal = view.refuse(error, request_id="req-1")
    return refusal.status, dict(refusal.body), dict(refusal.headers)


@pytest.mark.parametrize(
    ("kind", "reason", "status", "code"),
    [
        (kinds.Unauthenticated, "UNAUTHORIZED", 401, "not_authenticated"),
        (kinds.Unauthenticated, "INVALID_TOKEN", 401, "not_authenticated"),
        (kinds.PermissionDenied, "NOT_PARTY", 403, "not_party"),
        (kinds.PermissionDenied, "NOT_BUSINESS", 403, "not_business"),
        (kinds.PermissionDenied, "NOT_PERSONAL", 403, "not_personal"),
        (kinds.NotFound, "ORDER_NOT_FOUND", 404, "order_not_found"),
        (kinds.NotFound, "USER_NOT_FOUND", 404, "business_not_found"),
        (kinds.NotFound, "DISPUTE_NOT_FOUND", 404, "dispute_not_found"),
        (kinds.NotFound, "RECEIPT_NOT_FOUND", 404, "receipt_not_found"),
        (kinds.FailedPrecondition, "INVALID_STATE", 409, "invalid_status_transition"),
        (kinds.FailedPrecondition, "DISPUTE_ALREADY_OPEN", 409, "dispute_already_exists"),
        (kinds.InvalidArgument, "VALIDATION_ERROR", 422, "validation_error"),
        (kinds.InvalidArgument, "MISSING_REQUIRED_FIELD", 422, "validation_error"),
        (kinds.InvalidArgument, "INVALID_AMOUNT_FORMAT", 422, "validation_error"),
        (kinds.InvalidArgument, "INVALID_CURRENCY", 422, "validation_error"),
        (kinds.InvalidArgument, "BUYER_IS_SELLER", 422, "validation_error"),
        (kinds.InvalidArgument, "INVALID_URL", 422, "validation_error"),
        (kinds.InvalidArgument, "SOMETHING_NEW", 422, "validation_error"),
        (kinds.FailedPrecondition, "INSUFFICIENT_FUNDS", 422, "insufficient_funds"),
        (kinds.AlreadyExists, "IDEMPOTENCY_KEY_REUSED", 409, "idempotency_key_reused"),
        (kinds.Aborted, "IDEMPOTENCY_KEY_IN_PROGRESS", 409, "idempotency_key_in_progress"),
        (kinds.ResourceExhausted, "RATE_LIMITED", 429, "rate_limited"),
        (kinds.Unavailable, "PROVIDER_ERROR", 502, "provider_error"),
        (kinds.Unavailable, "SOMETHING_NEW", 503, "provider_unavailable"),
        (kinds.DeadlineExceeded, "SOMETHING_NEW", 504, "provider_timeout"),
    ],
)
def test_the_documented_codes(
    kind: type[kinds.DomainError], reason: str, status: int, code: str
) -> None:
    got, body, _ = printed(kind("What happened", reason=reason))

    assert (got, body["code"]) == (status, code)
    assert set(body) == {"code", "message", "detail"}


def test_no_message_uses_terms_of_the_marketplace_api() -> None:
    details = {"orderId": "ord_1", "currentState": "IN_PROGRESS", "allowedStates": ["DISPUTED"]}
    error = kinds.FailedPrecondition("Order is IN_PROGRESS; cannot fund", details=details)

    _, body, _ = printed(error)

    assert body == {
        "code": "invalid_status_transition",
        "message": "The order's status does not allow this",
        "detail": {},
    }
    assert error.details == details


def test_a_refusal_for_a_running_operation_says_so() -> None:
    facts = {"orderId": "ord_1", "currentState": "IN_PROGRESS", "allowedStates": ["IN_PROGRESS"]}
    error = kinds.FailedPrecondition(
        "Another operation is in motion: PAY",
        reason="INVALID_STATE",
        details=facts | {"operation": "PAY"},
    )

    status, body, headers = printed(error)

    assert (status, body["code"]) == (409, "invalid_status_transition")
    assert body["message"] == words.IN_PROGRESS
    assert body["detail"] == {"operation": "pay"}
    assert headers == {"retry-after": "1"}


def test_details_that_concern_a_person_are_printed() -> None:
    facts = {
        "available": "20.00",
        "requested": "150.00",
        "currency": "USDC",
        "missing": "130.00",
        "deposit": {"address": "G", "asset": {"code": "USDC", "issuer": "G"}, "network": "test"},
    }

    _, body, _ = printed(
        kinds.FailedPrecondition("Too little", reason="INSUFFICIENT_FUNDS", details=facts)
    )

    assert body["detail"] == facts


def test_retry_after_is_in_the_header_and_the_body() -> None:
    error = kinds.ResourceExhausted("Slow down", details={"retryAfter": 17})

    _, body, headers = printed(error)

    assert body["detail"] == {"retry_after": 17}
    assert headers == {"retry-after": "17"}


@pytest.mark.parametrize(
    ("contract", "field"),
    [
        ("seller", "business_id"),
        ("url", "deliverable_url"),
        ("notes", "delivery_notes"),
        ("description", "reason"),
        ("evidence[1]", "evidence[1]"),
        ("request_id", "Idempotency-Key"),
        ("amount.minor_units", "amount"),
        ("contract_terms_json", "contract_terms"),
    ],
)
def test_wrong_field_has_its_documented_name(contract: str, field: str) -> None:
    _, body, _ = printed(InvalidArgument("Invalid", fields=[(contract, "is wrong")]))

    assert body["errors"] == [{"field": field, "message": "is wrong"}]


@pytest.mark.parametrize(
    ("said", "fields", "told"),
    [
        (
            "Invalid field: contract_terms_json",
            ["contract_terms_json"],
            "Invalid field: contract_terms",
        ),
        ("Invalid URL: url", ["url"], "Invalid URL: deliverable_url"),
        (
            "Invalid field: seller, url",
            ["seller", "url"],
            "Invalid field: business_id, deliverable_url",
        ),
        ("Buyer and seller must differ", ["seller"], "Buyer and seller must differ"),
    ],
)
def test_message_uses_the_documented_field_names(said: str, fields: list[str], told: str) -> None:
    _, body, _ = printed(InvalidArgument(said, fields=[(name, "is wrong") for name in fields]))

    assert body["message"] == told


def test_internal_errors_show_only_the_request_id() -> None:
    status, body, _ = printed(Internal("Traceback of a secret", details={"secret": "s"}))

    assert status == 500
    assert body["code"] == "internal_error"
    assert "secret" not in str(body)
    assert body["detail"] == {"request_id": "req-1"}


def test_every_replaced_message_belongs_to_a_known_reason() -> None:
    assert set(words._MESSAGES) - catalogue.reasons() == set()
