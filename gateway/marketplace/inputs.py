"""What the marketplace API is told: the bodies and query strings of its routes."""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from gateway.models import (
    UUID_PATTERN,
    Amount,
    Currency,
    Cursor,
    PageSize,
    Request,
    Score,
    UserName,
    unfit,
)
from kernel import urls

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]
# The services decide what a link and an address of mail are; here is what they decide by.
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=urls.LONGEST),
    Field(
        description="https, with a host and without a user name",
        json_schema_extra={"pattern": r"^https://[^\s\\@/?#]+([/?#][^\s\\]*)?$"},
    ),
]
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    Field(
        json_schema_extra={
            "pattern": rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(\.{_LABEL})*$"
        }
    ),
]
# Another text is no id of an order; the handler says so.
OrderId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(json_schema_extra={"pattern": rf"^(ord_[0-9A-Za-z]{{22}}|{UUID_PATTERN})$"}),
]
# What a UUID names is not the marketplace's to choose.
NewUserName = Annotated[
    UserName,
    Field(json_schema_extra={"pattern": rf"^(?!{UUID_PATTERN}$)[A-Za-z0-9_-]{{1,64}}$"}),
]
Side = Literal["BUYER", "SELLER"]
Actor = Literal["BUYER", "SELLER", "SUPPORT", "SYSTEM"]
OrderStatus = Literal[
    "ORDER_CREATED",
    "FUNDS_RESERVED",
    "ESCROW_CREATING",
    "ESCROW_FUNDING",
    "ESCROW_FUNDED",
    "IN_PROGRESS",
    "RELEASE_REQUESTED",
    "RELEASED",
    "REFUND_REQUESTED",
    "REFUNDED",
    "DISPUTED",
    "CLOSED",
]
DisputeStatus = Literal["OPEN", "UNDER_REVIEW", "RESOLVED"]
DisputeReason = Literal["NOT_DELIVERED", "QUALITY_ISSUE", "OTHER"]
REASON_MAX = 1000


def _given(*names: str) -> dict[str, Any]:
    """Say in a schema that fields are there and not null."""
    return {"required": list(names), **_typed("string", *names)}


def _typed(kind: str, *names: str) -> dict[str, Any]:
    """Say in a schema of which type fields are, and nothing of the others."""
    return {
        "properties": {name: {"type": kind} for name in names},
        "unevaluatedProperties": True,
    }


def _agreeing(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, Any]:
    """Say in a schema that fields name one value among them, or none."""
    kinds = [{name: {"enum": [value, None]} for name in names} for value in values]
    return {"anyOf": [{"properties": kind, "unevaluatedProperties": True} for kind in kinds]}


_AMOUNTS = ("releaseAmount", "refundAmount")
_ASKERS = ("requestedBy", "canceledBy")
_OPENERS = ("openedBy", *_ASKERS)


class RegisterUser(Request):
    """A user of the marketplace; `id` is the public id, where the marketplace wants its own.

    `id` may not spell a UUID, as `usr_` and 22 base62 characters may; `externalUserId` may not be
    another user's UUID.
    """

    external_user_id: Text
    id: NewUserName | None = None
    email: Email | None = None
    type: Literal["BUYER", "SELLER", "BOTH"] | None = None


class Milestone(Request):
    """A part of the work; the amounts sum to the order's."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_given("title"), _given("description")]})

    ref: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    title: Text | None = None
    description: Text | None = None
    amount: Amount

    @model_validator(mode="after")
    def _is_named(self) -> "Milestone":
        if self.title is None and self.description is None:
            raise unfit("unnamed", "a title or a description is required", fields=["title"])
        return self


class CreateOrder(Request):
    """A purchase. Buyer and seller are named by id."""

    buyer_id: UserName
    seller_id: UserName
    amount: Amount
    title: Text
    description: Annotated[str, StringConstraints(max_length=4096)] | None = None
    currency: Currency | None = None
    client_order_ref: Text | None = None
    milestones: Annotated[list[Milestone], Field(max_length=50)] | None = None
    metadata: dict[str, Any] | None = None


class OrderAction(Request):
    """What any action on an order may say; nothing of it has to be said.

    `amount` must be the order's. `requestedBy` and `canceledBy` both name who asks: the buyer
    where nothing is said.
    """

    model_config = ConfigDict(json_schema_extra=_agreeing(_ASKERS, get_args(Actor)))

    amount: Amount | None = None
    requested_by: Actor | None = None
    canceled_by: Actor | None = None
    reason: Annotated[str, StringConstraints(max_length=REASON_MAX)] | None = None

    @model_validator(mode="after")
    def _one_asks(self) -> "OrderAction":
        if self.requested_by and self.canceled_by and self.requested_by != self.canceled_by:
            raise unfit("two_askers", "requestedBy and canceledBy differ", fields=_ASKERS)
        return self

    @property
    def by(self) -> Actor | None:
        """Who asks; None: it is not said."""
        return self.requested_by or self.canceled_by


class ReleaseFunds(OrderAction):
    """As any action. `deltaScore`: the marketplace's rating of the work."""

    delta_score: Score | None = None


class OpenDispute(Request):
    """Who opens, and why; the buyer, OTHER where nothing is said. `amount` must be the order's.

    `requestedBy` and `canceledBy` mean `openedBy`.
    """

    model_config = ConfigDict(json_schema_extra=_agreeing(_OPENERS, get_args(Side)))

    opened_by: Side | None = None
    requested_by: Side | None = None
    canceled_by: Side | None = None
    reason: DisputeReason | None = None
    amount: Amount | None = None
    description: Annotated[str, StringConstraints(max_length=4000)] | None = None
    evidence: Annotated[list[Url], Field(max_length=20)] | None = None

    @model_validator(mode="after")
    def _one_opens(self) -> "OpenDispute":
        named = {self.opened_by, self.requested_by, self.canceled_by} - {None}
        if len(named) > 1:
            raise unfit("two_askers", "names another side", fields=_OPENERS)
        return self

    @property
    def by(self) -> Side:
        """Who opens."""
        return self.opened_by or self.requested_by or self.canceled_by or "BUYER"


class AssignDispute(Request):
    """The agent who takes the case; `assignedTo` means the same."""

    agent_id: Annotated[
        Text,
        Field(validation_alias=AliasChoices("agentId", "agent_id", "assignedTo", "assigned_to")),
    ]
    notes: Annotated[str, StringConstraints(max_length=4000)] | None = None


class ResolveDispute(Request):
    """The decision; both amounts for SPLIT, none otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {
                "properties": {"decision": {"const": "SPLIT"}},
                "unevaluatedProperties": True,
            },
            "then": _given(*_AMOUNTS),
            "else": _typed("null", *_AMOUNTS),
        }
    )

    decision: Literal["FULL_RELEASE", "FULL_REFUND", "SPLIT"]
    release_amount: Amount | None = None
    refund_amount: Amount | None = None
    note: Annotated[str, StringConstraints(max_length=4000)] | None = None

    @model_validator(mode="after")
    def _amounts_belong_to_a_split(self) -> "ResolveDispute":
        amounts = zip(_AMOUNTS, (self.release_amount, self.refund_amount), strict=True)
        unlike = [name for name, value in amounts if (value is None) is (self.decision == "SPLIT")]
        if unlike and self.decision == "SPLIT":
            raise unfit("missing", "is required", fields=unlike)
        if unlike:
            raise unfit("split_only", "belongs to SPLIT", fields=unlike)
        return self


class CreditUser(Request):
    """A payment of the platform; once per `reference`."""

    amount: Amount
    reference: Text
    description: Annotated[str, StringConstraints(max_length=1000)] | None = None


class AddEvidence(Request):
    """https URLs; they are stored, never fetched."""

    evidence: Annotated[list[Url], Field(min_length=1, max_length=20)]


class CreateKey(Request):
    """A key of the caller's own marketplace and environment, with at most the caller's scopes."""

    scopes: Annotated[
        list[Literal["read", "write", "support", "admin"]], Field(min_length=1, max_length=4)
    ]
    name: Annotated[str, StringConstraints(max_length=100)] | None = None


class Paging(Request):
    """One page of a list."""

    limit: PageSize = 20
    cursor: Cursor | None = None


class ListOrders(Paging):
    """Several filters are AND."""

    status: OrderStatus | None = None
    buyer_id: UserName | None = None
    seller_id: UserName | None = None


class ListDisputes(Paging):
    """Several filters are AND."""

    order_id: OrderId | None = None
    status: DisputeStatus | None = None


class StreamEvents(Request):
    """Comma-separated: `types=order.created,balance.*`, `resourceTypes=Order,Balance`."""

    types: Annotated[str, StringConstraints(max_length=1000)] | None = None
    resource_types: Annotated[str, StringConstraints(max_length=200)] | None = None
