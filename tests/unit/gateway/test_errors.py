"""The table of refusals, and how they are printed."""

import re
from typing import Any

import pytest

from chassis.status import Internal
from deploy.local.settings import ROOT
from gateway import errors
from gateway.errors import KINDS, REASONS, marketplace_refusal, public_field
from kernel import errors as kinds
from kernel.errors import InvalidArgument


def printed(error: kinds.DomainError) -> tuple[int, dict[str, Any]]:
    refusal = marketplace_refusal(error, request_id="req-1")
    assert refusal.body["success"] is False
    return refusal.status, refusal.body["error"]


@pytest.mark.parametrize(
    ("kind", "reason", "status", "code"),
    [
        (kinds.Unauthenticated, "UNAUTHORIZED", 401, "UNAUTHORIZED"),
        (kinds.Unauthenticated, "INVALID_API_KEY", 401, "INVALID_API_KEY"),
        (kinds.PermissionDenied, "INSUFFICIENT_SCOPE", 403, "INSUFFICIENT_SCOPE"),
        (kinds.NotFound, "ORDER_NOT_FOUND", 404, "ORDER_NOT_FOUND"),
        (kinds.NotFound, "USER_NOT_FOUND", 404, "USER_NOT_FOUND"),
        (kinds.NotFound, "DISPUTE_NOT_FOUND", 404, "DISPUTE_NOT_FOUND"),
        (kinds.NotFound, "ESCROW_NOT_FOUND", 404, "ESCROW_NOT_FOUND"),
        (kinds.FailedPrecondition, "INVALID_STATE", 409, "INVALID_STATE"),
        (kinds.FailedPrecondition, "DISPUTE_ALREADY_OPEN", 409, "DISPUTE_ALREADY_OPEN"),
        (kinds.FailedPrecondition, "ESCROW_ALREADY_EXISTS", 409, "ESCROW_ALREADY_EXISTS"),
        (kinds.FailedPrecondition, "ESCROW_NOT_READY", 409, "ESCROW_NOT_READY"),
        (kinds.InvalidArgument, "VALIDATION_ERROR", 400, "VALIDATION_ERROR"),
        (kinds.InvalidArgument, "INVALID_AMOUNT_FORMAT", 400, "INVALID_AMOUNT_FORMAT"),
        (kinds.InvalidArgument, "INVALID_CURRENCY", 400, "INVALID_CURRENCY"),
        (kinds.InvalidArgument, "MISSING_REQUIRED_FIELD", 400, "MISSING_REQUIRED_FIELD"),
        (kinds.FailedPrecondition, "INSUFFICIENT_FUNDS", 422, "INSUFFICIENT_FUNDS"),
        (kinds.InvalidArgument, "RESERVE_MISMATCH_AMOUNT", 422, "RESERVE_MISMATCH_AMOUNT"),
        (kinds.AlreadyExists, "IDEMPOTENCY_KEY_REUSED", 409, "IDEMPOTENCY_KEY_REUSED"),
        (kinds.Aborted, "IDEMPOTENCY_KEY_IN_PROGRESS", 409, "IDEMPOTENCY_KEY_IN_PROGRESS"),
        (kinds.ResourceExhausted, "RATE_LIMITED", 429, "RATE_LIMITED"),
        (kinds.Unavailable, "PROVIDER_ERROR", 502, "PROVIDER_ERROR"),
        (kinds.FailedPrecondition, "PROVIDER_ERROR", 502, "PROVIDER_ERROR"),
        (kinds.DeadlineExceeded, "PROVIDER_TIMEOUT", 504, "PROVIDER_TIMEOUT"),
        (kinds.Unavailable, "PROVIDER_RATE_LIMITED", 502, "PROVIDER_RATE_LIMITED"),
        (kinds.Unavailable, "PROVIDER_UNAVAILABLE", 503, "PROVIDER_UNAVAILABLE"),
        (kinds.PermissionDenied, "CALLER_NOT_ALLOWED", 500, "INTERNAL_ERROR"),
        (kinds.InvalidArgument, "REQUEST_TIMEOUT", 408, "REQUEST_TIMEOUT"),
        # Reasons of their own, whose status follows from their kind.
        (kinds.AlreadyExists, "USER_ID_TAKEN", 409, "USER_ID_TAKEN"),
        (kinds.NotFound, "WALLET_NOT_FOUND", 404, "WALLET_NOT_FOUND"),
        (kinds.InvalidArgument, "SOMETHING_NEW", 400, "VALIDATION_ERROR"),
        (kinds.Unavailable, "SOMETHING_NEW", 503, "PROVIDER_UNAVAILABLE"),
        (kinds.DeadlineExceeded, "SOMETHING_NEW", 504, "PROVIDER_TIMEOUT"),
    ],
)
def test_the_documented_codes(
    kind: type[kinds.DomainError], reason: str, status: int, code: str
) -> None:
    got_status, error = printed(kind("What happened", reason=reason))

    assert (got_status, error["code"]) == (status, code)


def test_details_are_passed_on() -> None:
    details = {"available": "20.00", "requested": "80.00", "currency": "USDC"}

    _, error = printed(
        kinds.FailedPrecondition("Too little", reason="INSUFFICIENT_FUNDS", details=details)
    )

    assert error == {"code": "INSUFFICIENT_FUNDS", "message": "Too little", "details": details}


def test_internal_errors_show_only_the_request_id() -> None:
    status, error = printed(Internal("Traceback of a secret", details={"secret": "s"}))

    assert status == 500
    assert error == {
        "code": "INTERNAL_ERROR",
        "message": "Internal error",
        "details": {"requestId": "req-1"},
    }


def test_refused_fields_have_the_bodys_spelling() -> None:
    violation = InvalidArgument("Invalid", fields=[("client_order_ref", "is too long")])

    _, error = printed(violation)

    assert error["details"]["fields"] == [{"field": "clientOrderRef", "message": "is too long"}]


@pytest.mark.parametrize(
    ("contract", "public"),
    [
        ("buyer", "buyerId"),
        ("amount.minor_units", "amount"),
        ("milestones[0].amount", "milestones[0].amount"),
        ("metadata_json", "metadata"),
        ("page.page_size", "limit"),
        ("page.page_token", "cursor"),
        ("request_id", "Idempotency-Key"),
        ("buyerId", "buyerId"),
        ("requested_by", "requestedBy"),
    ],
)
def test_a_contracts_field_has_its_public_name(contract: str, public: str) -> None:
    assert public_field(contract) == public


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (kinds.Aborted(reason="IDEMPOTENCY_KEY_IN_PROGRESS"), ("retry-after", "1")),
        (kinds.Unavailable(), ("retry-after", "1")),
        (kinds.ResourceExhausted(details={"retryAfter": 17}), ("retry-after", "17")),
        (kinds.Unauthenticated(), ("www-authenticate", "Bearer")),
        (errors.RequestTimeout(), ("connection", "close")),
        (errors.MethodNotAllowed(details={"allow": "GET, POST"}), ("allow", "GET, POST")),
    ],
)
def test_a_refusal_has_its_headers(error: kinds.DomainError, header: tuple[str, str]) -> None:
    assert marketplace_refusal(error, request_id="r").headers == dict([header])


def test_every_kind_has_a_status() -> None:
    assert set(kinds.KINDS) - set(KINDS) == {"UNAUTHENTICATED"}


@pytest.mark.parametrize(
    ("contract", "known"),
    [
        ("orders", "INVALID_STATE"),
        ("disputes", "INVALID_STATE"),
        ("webhooks", "WEBHOOK_NOT_FOUND"),
    ],
)
def test_every_reason_of_a_contract_has_a_status(contract: str, known: str) -> None:
    text = (ROOT / f"protos/orchestrator/{contract}/v1/{contract}.proto").read_text()
    comments = " ".join(line.strip(" /") for line in text.splitlines() if "//" in line)
    listed = re.findall(r"Reasons: ([A-Z_, ]+)", comments)
    reasons = {reason.strip() for part in listed for reason in part.split(",")}

    assert known in reasons
    assert reasons - set(REASONS) == set()


def test_message_uses_the_views_field_names() -> None:
    error = InvalidArgument("Invalid field: metadata_json", fields=[("metadata_json", "is wrong")])

    body: Any = marketplace_refusal(error, request_id="r").body

    assert body["error"]["message"] == "Invalid field: metadata"
