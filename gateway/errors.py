"""The table that says how each view of the API prints each refusal.

Each reason has a row. A reason without a row is printed by its kind, with the reason as the code.
Services refuse with the reasons of their contracts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kernel.errors import (
    Aborted,
    DeadlineExceeded,
    DomainError,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)


@dataclass(frozen=True, slots=True)
class Row:
    """Status and code in the marketplace view; and in the party view, if they differ there."""

    status: int
    code: str
    party_code: str
    party_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that refuses a request, as it is sent."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


def _own(status: int, code: str) -> Row:
    """Return the row of a reason that both views print as the code."""
    return Row(status, code, code.lower())


_VALIDATION = Row(400, "VALIDATION_ERROR", "validation_error", 422)
_STATE = Row(409, "INVALID_STATE", "invalid_status_transition")
INTERNAL = Row(500, "INTERNAL_ERROR", "internal_error")

REASONS: Mapping[str, Row] = {
    "UNAUTHORIZED": Row(401, "UNAUTHORIZED", "not_authenticated"),
    "INVALID_API_KEY": Row(401, "INVALID_API_KEY", "not_authenticated"),
    "INVALID_TOKEN": Row(401, "INVALID_TOKEN", "not_authenticated"),
    "INSUFFICIENT_SCOPE": Row(403, "INSUFFICIENT_SCOPE", "not_party"),
    "NOT_PARTY": _own(403, "NOT_PARTY"),
    "NOT_BUSINESS": _own(403, "NOT_BUSINESS"),
    "DISPUTE_IS_OWN": Row(403, "DISPUTE_IS_OWN", "not_party"),
    "OFFER_IS_OWN": _own(403, "OFFER_IS_OWN"),
    "NOT_PERSONAL": _own(403, "NOT_PERSONAL"),
    "ORDER_NOT_FOUND": _own(404, "ORDER_NOT_FOUND"),
    "USER_NOT_FOUND": Row(404, "USER_NOT_FOUND", "business_not_found"),
    "DISPUTE_NOT_FOUND": _own(404, "DISPUTE_NOT_FOUND"),
    "OFFER_NOT_FOUND": _own(404, "OFFER_NOT_FOUND"),
    "MILESTONE_NOT_FOUND": _own(404, "MILESTONE_NOT_FOUND"),
    "ESCROW_NOT_FOUND": _own(404, "ESCROW_NOT_FOUND"),
    "RECEIPT_NOT_FOUND": _own(404, "RECEIPT_NOT_FOUND"),
    "WALLET_NOT_FOUND": _own(404, "WALLET_NOT_FOUND"),
    "WITHDRAWAL_NOT_FOUND": _own(404, "WITHDRAWAL_NOT_FOUND"),
    "WEBHOOK_NOT_FOUND": _own(404, "WEBHOOK_NOT_FOUND"),
    "DELIVERY_NOT_FOUND": _own(404, "DELIVERY_NOT_FOUND"),
    "EVENT_NOT_FOUND": _own(404, "EVENT_NOT_FOUND"),
    "REQUEST_NOT_FOUND": _own(404, "REQUEST_NOT_FOUND"),
    "API_KEY_NOT_FOUND": _own(404, "API_KEY_NOT_FOUND"),
    "VALIDATION_ERROR": _VALIDATION,
    "MISSING_REQUIRED_FIELD": Row(400, "MISSING_REQUIRED_FIELD", "validation_error", 422),
    "INVALID_AMOUNT_FORMAT": Row(400, "INVALID_AMOUNT_FORMAT", "validation_error", 422),
    "INVALID_CURRENCY": Row(400, "INVALID_CURRENCY", "validation_error", 422),
    "BUYER_IS_SELLER": _VALIDATION,
    "MILESTONES_MISMATCH": _VALIDATION,
    "SPLIT_AMOUNTS_MISMATCH": _VALIDATION,
    "OFFER_AMOUNT_NOT_VALID": _VALIDATION,
    "TOO_MUCH_EVIDENCE": _VALIDATION,
    "INVALID_URL": _VALIDATION,
    "DRY_RUN_NOT_SUPPORTED": Row(400, "DRY_RUN_NOT_SUPPORTED", "dry_run_not_supported", 422),
    "BODY_TOO_LARGE": Row(413, "VALIDATION_ERROR", "validation_error"),
    "UNSUPPORTED_MEDIA_TYPE": Row(415, "VALIDATION_ERROR", "validation_error"),
    "HEADERS_TOO_LARGE": Row(431, "VALIDATION_ERROR", "validation_error"),
    "MALFORMED_REQUEST": Row(400, "VALIDATION_ERROR", "validation_error"),
    "REQUEST_TIMEOUT": _own(408, "REQUEST_TIMEOUT"),
    "ROUTE_NOT_FOUND": Row(404, "NOT_FOUND", "not_found"),
    "METHOD_NOT_ALLOWED": _own(405, "METHOD_NOT_ALLOWED"),
    "RESERVE_MISMATCH_AMOUNT": Row(422, "RESERVE_MISMATCH_AMOUNT", "validation_error"),
    "INSUFFICIENT_FUNDS": _own(422, "INSUFFICIENT_FUNDS"),
    "WITHDRAWAL_DESTINATION_INVALID": _own(422, "WITHDRAWAL_DESTINATION_INVALID"),
    "WITHDRAWAL_NOT_COMMITTABLE": _own(409, "WITHDRAWAL_NOT_COMMITTABLE"),
    "WEBHOOK_URL_NOT_ALLOWED": _own(422, "WEBHOOK_URL_NOT_ALLOWED"),
    "WEBHOOK_DISABLED": _own(409, "WEBHOOK_DISABLED"),
    "TOO_MANY_WEBHOOKS": _own(409, "TOO_MANY_WEBHOOKS"),
    "WITHDRAWAL_NOT_APPROVABLE": _own(409, "WITHDRAWAL_NOT_APPROVABLE"),
    "WITHDRAWAL_APPROVAL_IS_OWN": _own(403, "WITHDRAWAL_APPROVAL_IS_OWN"),
    "WITHDRAWAL_AMOUNT_NOT_ALLOWED": _own(422, "WITHDRAWAL_AMOUNT_NOT_ALLOWED"),
    "WITHDRAWAL_DESTINATION_NOT_LISTED": _own(422, "WITHDRAWAL_DESTINATION_NOT_LISTED"),
    "WITHDRAWAL_DESTINATION_TOO_NEW": _own(422, "WITHDRAWAL_DESTINATION_TOO_NEW"),
    "WITHDRAWAL_DAILY_LIMIT_EXCEEDED": _own(422, "WITHDRAWAL_DAILY_LIMIT_EXCEEDED"),
    "PAYOUT_REDIRECT_NOT_ALLOWED": _own(403, "PAYOUT_REDIRECT_NOT_ALLOWED"),
    "PAYOUT_ADDRESS_INVALID": _own(422, "PAYOUT_ADDRESS_INVALID"),
    "PAYEE_CAN_RECEIVE": _own(409, "PAYEE_CAN_RECEIVE"),
    "COMMAND_HAS_PAID": _own(409, "COMMAND_HAS_PAID"),
    "INVALID_STATE": _STATE,
    "DECISION_ALREADY_MADE": _STATE,
    "COMMAND_IN_MOTION": _STATE,
    "OPERATION_IN_MOTION": _STATE,
    "DISPUTE_ALREADY_OPEN": Row(409, "DISPUTE_ALREADY_OPEN", "dispute_already_exists"),
    "ESCROW_ALREADY_EXISTS": _own(409, "ESCROW_ALREADY_EXISTS"),
    "OFFER_NOT_OPEN": _own(409, "OFFER_NOT_OPEN"),
    "OFFER_ALREADY_OPEN": _own(409, "OFFER_ALREADY_OPEN"),
    "TOO_MANY_MESSAGES": _own(409, "TOO_MANY_MESSAGES"),
    "TOO_MANY_OFFERS": _own(409, "TOO_MANY_OFFERS"),
    "MILESTONES_INCOMPLETE": _own(409, "MILESTONES_INCOMPLETE"),
    "ESCROW_NOT_READY": _own(409, "ESCROW_NOT_READY"),
    "USER_ID_TAKEN": _own(409, "USER_ID_TAKEN"),
    "CLIENT_ORDER_REF_TAKEN": _own(409, "CLIENT_ORDER_REF_TAKEN"),
    "REFERENCE_TAKEN": _own(409, "REFERENCE_TAKEN"),
    "MANUAL_CREDIT_DISABLED": _own(409, "MANUAL_CREDIT_DISABLED"),
    "LIVE_MARKETPLACE": _own(409, "LIVE_MARKETPLACE"),
    "CLOCK_TOO_FAR": _own(409, "CLOCK_TOO_FAR"),
    "IDEMPOTENCY_KEY_REUSED": _own(409, "IDEMPOTENCY_KEY_REUSED"),
    "IDEMPOTENCY_KEY_IN_PROGRESS": _own(409, "IDEMPOTENCY_KEY_IN_PROGRESS"),
    "RATE_LIMITED": _own(429, "RATE_LIMITED"),
    "PROVIDER_ERROR": _own(502, "PROVIDER_ERROR"),
    "PROVIDER_RATE_LIMITED": _own(502, "PROVIDER_RATE_LIMITED"),
    "PROVIDER_TIMEOUT": _own(504, "PROVIDER_TIMEOUT"),
    "PROVIDER_UNAVAILABLE": _own(503, "PROVIDER_UNAVAILABLE"),
    "INTERNAL_ERROR": INTERNAL,
    # Only caused by our own fault: a service has refused the gateway itself.
    "CALLER_NOT_ALLOWED": INTERNAL,
}

# The HTTP status of a reason without a row; the code is the reason itself.
KINDS: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 503,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# Codes of reasons that only repeat the kind.
_GENERIC: Mapping[str, str] = {
    "INVALID_ARGUMENT": "VALIDATION_ERROR",
    "ABORTED": "INVALID_STATE",
    "UNAVAILABLE": "PROVIDER_UNAVAILABLE",
    "RESOURCE_EXHAUSTED": "PROVIDER_UNAVAILABLE",
    "DEADLINE_EXCEEDED": "PROVIDER_TIMEOUT",
}
RETRY_AFTER_SECONDS = 1
# Messages that only introduce a list of invalid fields, which have the contract's names.
_NAMING = frozenset({"Invalid field", "Invalid URL"})
# Fields of the contracts whose name in the marketplace API is not simply their camelCase form.
_FIELDS: Mapping[str, str] = {
    "request_id": "Idempotency-Key",
    "buyer": "buyerId",
    "seller": "sellerId",
    "user": "userId",
    "public_id": "id",
    "metadata_json": "metadata",
    "page.page_size": "limit",
    "page.page_token": "cursor",
    "state": "status",
}


_PARTY_FIELDS: Mapping[str, str] = {
    "request_id": "Idempotency-Key",
    "buyer": "personal_id",
    "seller": "business_id",
    "sellerId": "business_id",
    "buyerId": "personal_id",
    "amount.minor_units": "amount",
    "notes": "delivery_notes",
    "url": "deliverable_url",
    "description": "reason",
    "contract_terms_json": "contract_terms",
    "page.page_size": "limit",
    "page.page_token": "cursor",
    "state": "status",
}


class OrderNotFound(NotFound):
    """The caller's marketplace has no such order."""

    reason = "ORDER_NOT_FOUND"


class MilestoneNotFound(NotFound):
    """The order has no such milestone."""

    reason = "MILESTONE_NOT_FOUND"


class OfferNotFound(NotFound):
    """The order has no such offer."""

    reason = "OFFER_NOT_FOUND"


class DisputeNotFound(NotFound):
    """The caller's marketplace has no such dispute, or the order has none."""

    reason = "DISPUTE_NOT_FOUND"


class WithdrawalNotFound(NotFound):
    """The caller's marketplace has no such withdrawal, or it is another person's."""

    reason = "WITHDRAWAL_NOT_FOUND"


class WebhookNotFound(NotFound):
    """The caller's marketplace has no such webhook."""

    reason = "WEBHOOK_NOT_FOUND"


class DeliveryNotFound(NotFound):
    """The webhook has no such delivery."""

    reason = "DELIVERY_NOT_FOUND"


class UserNotFound(NotFound):
    """The caller's marketplace has no such user."""

    reason = "USER_NOT_FOUND"


class BodyTooLarge(InvalidArgument):
    """The request body is larger than 64 KiB."""

    reason = "BODY_TOO_LARGE"


class UnsupportedMediaType(InvalidArgument):
    """The body's content type is not application/json."""

    reason = "UNSUPPORTED_MEDIA_TYPE"


class HeadersTooLarge(InvalidArgument):
    """The request line and headers are larger than 16 KiB, or there are more than 100 headers."""

    reason = "HEADERS_TOO_LARGE"


class MalformedRequest(InvalidArgument):
    """The request is not valid HTTP/1.1: the Host, the transfer coding or a chunk is invalid."""

    reason = "MALFORMED_REQUEST"


class RequestTimeout(InvalidArgument):
    """The client did not send the complete request in time. Nothing was done."""

    reason = "REQUEST_TIMEOUT"


class RouteNotFound(NotFound):
    """The path does not exist."""

    reason = "ROUTE_NOT_FOUND"


class MethodNotAllowed(InvalidArgument):
    """The path does not support this method. details: `allow`, the methods that it supports."""

    reason = "METHOD_NOT_ALLOWED"


class Overloaded(Unavailable):
    """The gateway serves as many requests as it may at once."""

    reason = "PROVIDER_UNAVAILABLE"


def invalid(name: str, problem: str, *, what: str = "field") -> InvalidArgument:
    """Return the refusal of one field or header. problem: completes the sentence "<name> …"."""
    return InvalidArgument(f"Invalid {what}: {name}", fields=[(name, problem)])


def invalid_cursor(name: str = "cursor", *, what: str = "field") -> InvalidArgument:
    """Return the refusal of a cursor that no answer of this API contained."""
    return invalid(name, "is not a cursor of this API", what=what)


def row(error: DomainError) -> Row:
    """Return the row of a refusal."""
    known = REASONS.get(error.reason)
    if known is not None:
        return known
    status = KINDS.get(error.kind)
    if status is None:
        return INTERNAL
    code = _GENERIC.get(error.kind, error.reason)
    return REASONS.get(code) or Row(status, code, code.lower())


def marketplace_refusal(error: DomainError, *, request_id: str) -> Refusal:
    """Return a refusal in the marketplace API's form. Internal errors have no details."""
    known = row(error)
    details: dict[str, Any] = dict(error.details)
    message = _named(error, public_field) or known.code
    if known.status == INTERNAL.status:
        details, message = {"requestId": request_id}, "Internal error"
    elif isinstance(error, InvalidArgument) and error.fields:
        details["fields"] = [
            {"field": public_field(name), "message": text} for name, text in error.fields
        ]
    elif error.reason != known.code and known is REASONS.get(error.reason):
        details.setdefault("reason", error.reason)
    body = {
        "success": False,
        "error": {"code": known.code, "message": message, "details": details},
    }
    return Refusal(status=known.status, body=body, headers=headers(error))


def party_refusal(error: DomainError, *, request_id: str) -> Refusal:
    """Return a refusal in the party API's form. Internal errors have no details."""
    known = row(error)
    detail: dict[str, Any] = dict(error.details)
    message = _named(error, party_field) or known.party_code
    if known.status == INTERNAL.status:
        detail, message = {"request_id": request_id}, "Internal error"
    body: dict[str, Any] = {"code": known.party_code, "message": message, "detail": detail}
    if isinstance(error, InvalidArgument) and error.fields:
        body["errors"] = [
            {"field": party_field(name), "message": text} for name, text in error.fields
        ]
    return Refusal(status=known.party_status or known.status, body=body, headers=headers(error))


def public_field(name: str) -> str:
    """Return the marketplace API's name of a contract's field: camelCase.

    A name that is already in camelCase does not change.
    """
    known = _FIELDS.get(name)
    if known is not None:
        return known
    first, *rest = name.removesuffix(".minor_units").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def party_field(name: str) -> str:
    """Return the party API's name of a contract's field."""
    return _PARTY_FIELDS.get(name, name)


def _named(error: DomainError, public: Callable[[str], str]) -> str:
    """Return a refusal's message. A message that only lists fields gets the view's field names."""
    if not isinstance(error, InvalidArgument) or not error.fields:
        return error.message
    what, _, _ = error.message.partition(": ")
    if what not in _NAMING:
        return error.message
    return f"{what}: {', '.join(dict.fromkeys(public(name) for name, _ in error.fields))}"


def has_running_operation(error: DomainError) -> bool:
    """Return whether an action was refused only because the order has a running operation."""
    return row(error) is _STATE and "operation" in error.details


def headers(error: DomainError) -> dict[str, str]:
    """Return the headers of a refusal: Retry-After, Allow, WWW-Authenticate, Connection."""
    if isinstance(error, RequestTimeout):
        # Otherwise the rest of the body would be read as the next request.
        # Source: RFC 9110 §15.5.9.
        return {"connection": "close"}
    if isinstance(error, MethodNotAllowed):
        return {"allow": str(error.details.get("allow", ""))}
    if isinstance(error, ResourceExhausted) and "retryAfter" in error.details:
        return {"retry-after": str(error.details["retryAfter"])}
    if has_running_operation(error) or isinstance(
        error, Aborted | Unavailable | ResourceExhausted | DeadlineExceeded
    ):
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    if row(error).status == REASONS["UNAUTHORIZED"].status:
        return {"www-authenticate": "Bearer"}
    return {}
