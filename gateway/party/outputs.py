"""What the party API answers, as models: the OpenAPI document is made of them.

Answers are rendered from the services' messages (`rendering.py`); tests hold both together.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from gateway.party.inputs import Status

Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Id = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Number = Annotated[float, WithJsonSchema({"type": "number", "examples": [150.00]})]


class Output(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class Milestone(Output):
    """A part of the work, of an order that the marketplace divided."""

    ref: str
    title: str
    amount: Number


class Order(Output):
    """One order, as its parties see it."""

    id: Id
    intention_id: Id | None
    personal_id: Id
    business_id: Id
    contract_template_id: Id | None
    contract_id: Id | None
    contract_terms: dict[str, Any]
    amount: Number
    platform_fee: Number
    currency: str
    status: Status
    paid_at: Time | None
    delivered_at: Time | None
    confirmed_at: Time | None
    delivery_notes: str | None
    deliverable_url: str | None
    milestones: list[Milestone] | None
    created_at: Time
    updated_at: Time


class Orders(Output):
    """A page of a list. total: of the filter, not of the page."""

    items: list[Order]
    total: int


class Dispute(Output):
    """The dispute of an order. contract_snapshot: the terms when it was opened."""

    id: Id
    order_id: Id
    initiated_by: Id | None
    reason: str
    evidence: list[str]
    contract_snapshot: dict[str, Any]
    status: Annotated[str, WithJsonSchema({"enum": ["open", "under_review", "resolved"]})]
    resolution: Annotated[
        str | None, WithJsonSchema({"enum": ["full_release", "full_refund", "split", None]})
    ]
    resolved_at: Time | None
    created_at: Time
    updated_at: Time


class CostBreakdown(Output):
    """Who gets what of the amount; `provider_fee` where the business bears it."""

    base_amount: Number
    platform_fee_rate: Number
    platform_fee: Number
    provider_fee: Number | None = None
    business_payout: Number


class Receipt(Output):
    """What a completed order cost. delta_score: 0 to 10, given by the marketplace."""

    id: Id
    order_id: Id
    personal_id: Id
    business_id: Id
    amount: Number
    platform_fee: Number
    business_income: Number
    currency: str
    cost_breakdown: CostBreakdown
    personal_signal: Annotated[
        str, WithJsonSchema({"enum": ["satisfied", "neutral", "dissatisfied"]})
    ]
    delta_score: Number | None
    response_time_ms: int | None
    contract_id: Id | None
    created_at: Time


class Me(Output):
    """Who the token stands for."""

    id: Id
    public_id: str
    marketplace_id: Id
    role: Annotated[str, WithJsonSchema({"enum": ["user", "admin"]})]


class FieldError(Output):
    """What is wrong with one field."""

    field: str
    message: str


class Failure(Output):
    """A refusal: a code to act on, a sentence to read, facts, and wrong fields if any."""

    code: str
    message: str
    detail: dict[str, Any]
    errors: Annotated[list[FieldError], Field(min_length=1)] | None = None
