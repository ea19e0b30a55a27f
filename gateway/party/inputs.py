"""What the party API is told: the bodies and query strings of its routes, in snake_case."""

import re
import uuid
from typing import Annotated, Any, Literal

import pydantic
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from gateway.models import UUID_PATTERN, PageSize
from gateway.party import numbers
from kernel.ids import parse_uuid
from kernel.money import CENT, LARGEST, to_text
from kernel.urls import LONGEST, InvalidUrl, require_url

OFFSET_MAX = 1_000_000
EVIDENCE_MAX = 20
REASON_MIN = 10
CURRENCIES = ("USD", "USDC")
_DIGITS = re.compile(r"[0-9]{1,7}", re.ASCII)


class Request(pydantic.BaseModel):
    """A body or a query string; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Nothing(Request):
    """A body without fields; it may be left out."""


def _amount(value: object) -> int:
    try:
        return numbers.amount(value)
    except ValueError as error:
        raise PydanticCustomError("invalid_amount", "{reason}", {"reason": str(error)}) from None


def _currency(value: object) -> str:
    if value not in CURRENCIES:
        raise PydanticCustomError("invalid_currency", "must be USD or USDC")
    return str(value)


def _uuid(value: object) -> uuid.UUID:
    found = parse_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError("uuid", "must be a UUID")
    return found


def _url(value: str) -> str:
    try:
        return require_url(value, field="")
    except InvalidUrl as error:
        (_, problem), *_ = error.fields
        raise PydanticCustomError("invalid_url", "{problem}", {"problem": problem}) from None


def _reason(value: str) -> str:
    if len(value.strip()) < REASON_MIN:
        raise PydanticCustomError(
            "reason", f"must have at least {REASON_MIN} characters, spaces at its ends aside"
        )
    return value


def _offset(value: object) -> int:
    count = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else -1
    if not 0 <= count <= OFFSET_MAX:
        raise PydanticCustomError("offset", f"must be a whole number from 0 to {OFFSET_MAX}")
    return count


Amount = Annotated[
    int,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": float(to_text(LARGEST // CENT * CENT)),
            # No multipleOf: to a validator that computes in binary, 19.99 is none of 0.01.
            "examples": [150.00],
            "description": "At most 2 decimals, no exponent.",
        }
    ),
]
Currency = Annotated[
    str,
    BeforeValidator(_currency),
    WithJsonSchema({"type": "string", "enum": list(CURRENCIES)}),
]
Id = Annotated[
    uuid.UUID,
    BeforeValidator(_uuid),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": f"^{UUID_PATTERN}$"}),
]
Offset = Annotated[
    int,
    BeforeValidator(_offset),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0}),
]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(_url),
    Field(description="https; stored and shown, never fetched."),
]
Role = Literal["personal", "business"]
Status = Literal[
    "pending_payment", "paid", "delivered", "disputed", "completed", "refunded", "cancelled"
]


class CreateOrder(Request):
    """A purchase from a business by the caller."""

    intention_id: Id | None = None
    business_id: Id
    contract_template_id: Id | None = None
    contract_id: Id | None = None
    contract_terms: dict[str, Any] = Field(default={})
    amount: Amount
    currency: Currency = "USD"


class ListOrders(Request):
    """Orders of one side, newest first."""

    role: Role = "business"
    status_filter: Status | None = None
    offset: Offset = 0
    limit: PageSize = 20


class DeliverOrder(Request):
    """What was handed over."""

    delivery_notes: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    deliverable_url: Url | None = None


class OpenDispute(Request):
    """Why, in the opener's own words, and links that show it."""

    reason: Annotated[
        str,
        StringConstraints(min_length=REASON_MIN, max_length=4000),
        AfterValidator(_reason),
        Field(description=f"At least {REASON_MIN} characters, spaces at its ends aside."),
    ]
    evidence: Annotated[list[Url], Field(max_length=EVIDENCE_MAX)] = Field(default=[])


class AddEvidence(Request):
    """More links, while the dispute is not resolved."""

    evidence: Annotated[list[Url], Field(min_length=1, max_length=EVIDENCE_MAX)]


class StreamEvents(Request):
    """Comma-separated: `types=order.created,balance.*`, `resourceTypes=Order,Balance`."""

    types: Annotated[str, StringConstraints(max_length=1000)] | None = None
    # One stream of events for both APIs: its parameters have one spelling.
    resource_types: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, alias="resourceTypes"
    )
