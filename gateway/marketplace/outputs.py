"""What the marketplace API answers, as models: the OpenAPI document is made of them.

Answers are rendered from the services' messages (`rendering.py`); tests hold both together.
"""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from gateway.marketplace.envelope import Output
from gateway.marketplace.inputs import Actor, DisputeStatus, OrderStatus

Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
# Orders are in whole cents; what the chain moved may not be.
Decimal = Annotated[
    str,
    StringConstraints(pattern=r"^-?\d+\.\d{2,7}$"),
    Field(
        description="Decimal string with two decimals; up to seven where the chain moved parts of "
        "a cent. Orders are in whole cents, so such a part stays with its owner."
    ),
]
ChainDecimal = Annotated[str, StringConstraints(pattern=r"^\d+\.\d{7}$")]
OrderId = Annotated[str, StringConstraints(pattern=r"^ord_[0-9A-Za-z]{22}$")]
EscrowId = Annotated[str, StringConstraints(pattern=r"^esc_[0-9A-Za-z]{22}$")]
Uuid = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
DisputeId = Annotated[str, StringConstraints(pattern=r"^dsp_[0-9A-Za-z]{22}$")]


class Operation(Output):
    """Work in motion on an order."""

    id: str
    kind: str
    state: str
    step: str
    attempts: int
    started_at: Time | None


class Milestone(Output):
    """A part of the work."""

    ref: str
    title: str
    description: str | None
    amount: Decimal


class CreatedOrder(Output):
    """A new order; the optional fields are there where they were given."""

    id: OrderId
    status: OrderStatus
    buyer_id: str
    seller_id: str
    amount: Decimal
    title: str
    created_at: Time
    currency: str | None = None
    client_order_ref: str | None = None
    milestones: list[Milestone] | None = None
    metadata: dict[str, Any] | None = None


class MovingOrder(Output):
    """What every action answers; `operation` only where it is still in motion (202)."""

    id: OrderId
    status: OrderStatus
    operation: Operation | None = None


class ReservedOrder(MovingOrder):
    """The buyer's money is held."""

    reserved_at: Time | None = None


class CreatingEscrow(Output):
    """The contract being deployed."""

    id: EscrowId
    trustless_contract_id: str | None
    status: str


class EscrowedOrder(MovingOrder):
    """The escrow is being created."""

    escrow: CreatingEscrow | None = None


class FundedEscrow(Output):
    """The contract that holds the money."""

    id: EscrowId
    status: str
    funded_at: Time | None = None


class FundedOrder(MovingOrder):
    """The money is locked on chain."""

    escrow: FundedEscrow | None = None


class ClosedOrder(MovingOrder):
    """The order's end."""

    final_status: str | None = None
    closed_at: Time | None = None


class OpenedDispute(Output):
    """The dispute that was opened."""

    id: DisputeId
    status: DisputeStatus
    opened_by: Actor
    reason: str


class DisputedOrder(MovingOrder):
    """The order is frozen."""

    dispute: OpenedDispute | None = None


class OrderEscrow(Output):
    """The escrow as the order knows it."""

    id: EscrowId
    trustless_contract_id: str | None
    status: str
    funded_at: Time | None
    last_error: str | None


class OrderDispute(OpenedDispute):
    """The dispute as the order knows it."""

    decision: str | None
    opened_at: Time | None
    resolved_at: Time | None


class Delivery(Output):
    """What the seller delivered."""

    notes: str | None
    url: str | None
    delivered_at: Time | None


class Order(Output):
    """One order, whole."""

    id: OrderId
    status: OrderStatus
    final_status: str | None
    buyer_id: str
    seller_id: str
    amount: Decimal
    currency: str
    title: str
    description: str | None
    client_order_ref: str | None
    milestones: list[Milestone]
    metadata: dict[str, Any] | None
    escrow: OrderEscrow | None
    dispute: OrderDispute | None
    delivery: Delivery | None
    operation: Operation | None
    platform_fee: Decimal
    platform_fee_bps: int
    released_amount: Decimal | None
    refunded_amount: Decimal | None
    version: int
    created_at: Time
    updated_at: Time | None
    reserved_at: Time | None
    funded_at: Time | None
    confirmed_at: Time | None
    released_at: Time | None
    refunded_at: Time | None
    closed_at: Time | None


class TimelineEntry(Output):
    """A transition, a posting, or a chain transaction."""

    at: Time | None
    kind: str
    name: str
    details: dict[str, Any]


class Timeline(Output):
    """Everything that happened to an order, oldest first."""

    order_id: OrderId
    entries: list[TimelineEntry]


class User(Output):
    """A user of the marketplace. uuid: what a token about them says as its `sub`."""

    id: str
    uuid: Uuid
    external_user_id: str
    email: str | None
    type: str
    created_at: Time | None


class Balance(Output):
    """What a user can spend, and what is held."""

    user_id: str
    available: Decimal
    reserved: Decimal
    currency: str


class Credit(Output):
    """A payment of the platform to a user; RUNNING until it is confirmed on chain."""

    id: str
    user_id: str
    amount: Decimal
    currency: str
    reference: str
    description: str | None
    status: str
    transaction_hash: str | None
    created_at: Time
    finished_at: Time | None


class Posting(Output):
    """A transfer of a payment: the change, and the balance after it."""

    transfer_id: str
    available_change: Decimal
    reserved_change: Decimal
    available: Decimal
    reserved: Decimal
    transaction_hash: str | None
    reason: str | None


class Entry(Output):
    """One line of a statement: a payment, the balance after it, and its postings in order."""

    transfer_id: str
    code: str
    type: str
    order_id: OrderId | None
    available_change: Decimal
    reserved_change: Decimal
    available: Decimal
    reserved: Decimal
    currency: str
    transaction_hash: str | None
    reason: str | None
    at: Time | None
    postings: list[Posting]


class WalletBalance(Output):
    """What a wallet holds of an asset, on chain."""

    asset: str
    balance: ChainDecimal


class Wallet(Output):
    """A user's wallet; its key never leaves the escrow service."""

    id: str
    user_id: str
    public_key: str
    type: Annotated[str, Field(json_schema_extra={"const": "INVISIBLE"})]
    status: str
    balances: list[WalletBalance]


class DepositAsset(Output):
    """The only asset that is credited."""

    code: str
    issuer: str


class Deposit(Output):
    """Where a user's deposits go."""

    user_id: str
    address: str
    asset: DepositAsset
    network: str


class Dispute(Output):
    """A case."""

    id: DisputeId
    order_id: OrderId
    status: DisputeStatus
    opened_by: Actor
    reason: str
    description: str | None
    evidence: list[str]
    assigned_to: str | None
    assignment_notes: str | None
    amount: Decimal
    decision: str | None
    release_amount: Decimal | None
    refund_amount: Decimal | None
    note: str | None
    resolved_by: str | None
    created_at: Time | None
    updated_at: Time | None
    decided_at: Time | None
    resolved_at: Time | None


class DisputeWithOrder(Dispute):
    """A case and its order."""

    order: Order


class ResolvedDispute(Output):
    """A decision, paid or being paid."""

    id: DisputeId
    status: str
    decision: str | None
    release_amount: Decimal | None
    refund_amount: Decimal | None
    resolved_at: Time | None
    order: ClosedOrder


class ApiKey(Output):
    """A key, without its secret."""

    id: str
    name: str
    environment: str
    scopes: list[str]
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None


class NewApiKey(ApiKey):
    """A key with its secret: the only time it is shown."""

    key: str


class Me(Output):
    """Who the credential stands for."""

    marketplace_id: str
    marketplace: str
    environment: str
    key_id: str
    name: str
    scopes: list[str]


class Health(Output):
    """Alive. version: of the gateway."""

    status: str
    version: str


class DetailedHealth(Health):
    """Every part by name: `up` or `down`."""

    parts: dict[str, str]
