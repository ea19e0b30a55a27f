"""Escrows, wallets and commands on them: which command may follow which, and their events.

Pure: no I/O, no clock. TRANSITIONS is the table of an escrow's states; an absent pair is refused.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from kernel.clock import to_milliseconds_text
from kernel.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from kernel.ids import to_public
from kernel.money import USDC, Money, to_text


class WalletState(StrEnum):
    """The state of a wallet. CREATING: not on chain yet. MERGED: removed from the chain again.

    RETURNING: the account is being merged although the wallet is needed again.
    """

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    MERGING = "MERGING"
    RETURNING = "RETURNING"
    MERGED = "MERGED"


class EscrowState(StrEnum):
    """The state of an order's contract. In states that end in -ING a command is in progress."""

    CREATING = "CREATING"
    CREATED = "CREATED"
    FUNDING = "FUNDING"
    FUNDED = "FUNDED"
    RELEASING = "RELEASING"
    RELEASED = "RELEASED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    FREEZING = "FREEZING"
    DISPUTED = "DISPUTED"
    RESOLVING = "RESOLVING"
    RESOLVED = "RESOLVED"
    FAILED = "FAILED"
    COMPLETING = "COMPLETING"


class CommandKind(StrEnum):
    """The kinds of commands."""

    CREATE_WALLET = "CREATE_WALLET"
    CREATE = "CREATE"
    FUND = "FUND"
    RELEASE = "RELEASE"
    REFUND = "REFUND"
    FREEZE = "FREEZE"
    RESOLVE = "RESOLVE"
    CREDIT_WALLET = "CREDIT_WALLET"
    COMPLETE_MILESTONE = "COMPLETE_MILESTONE"
    WITHDRAW = "WITHDRAW"
    MERGE_WALLET = "MERGE_WALLET"


class CommandState(StrEnum):
    """The state of a command. QUARANTINED is not final: an operator must act."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"


class PayeeRole(StrEnum):
    """Who received a payment that the chain reports."""

    CONTRACT = "CONTRACT"
    SELLER = "SELLER"
    BUYER = "BUYER"
    PLATFORM = "PLATFORM"
    PROVIDER = "PROVIDER"
    WALLET = "WALLET"


class Outcome(StrEnum):
    """How a command on an escrow ended. REFUSED_FROZEN: the contract had been disputed before."""

    DONE = "DONE"
    REFUSED = "REFUSED"
    REFUSED_FROZEN = "REFUSED_FROZEN"


S = EscrowState
TRANSITIONS: Mapping[tuple[EscrowState, CommandKind | Outcome], EscrowState] = {
    # A contract that could not be deployed or funded may be tried again.
    (S.FAILED, CommandKind.CREATE): S.CREATING,
    (S.CREATING, Outcome.DONE): S.CREATED,
    (S.CREATING, Outcome.REFUSED): S.FAILED,
    (S.CREATED, CommandKind.FUND): S.FUNDING,
    (S.FUNDING, Outcome.DONE): S.FUNDED,
    (S.FUNDING, Outcome.REFUSED): S.FAILED,
    (S.FUNDED, CommandKind.COMPLETE_MILESTONE): S.COMPLETING,
    (S.COMPLETING, Outcome.DONE): S.FUNDED,
    (S.COMPLETING, Outcome.REFUSED): S.FUNDED,
    (S.COMPLETING, Outcome.REFUSED_FROZEN): S.DISPUTED,
    (S.FUNDED, CommandKind.RELEASE): S.RELEASING,
    (S.RELEASING, Outcome.DONE): S.RELEASED,
    (S.RELEASING, Outcome.REFUSED): S.FUNDED,
    (S.RELEASING, Outcome.REFUSED_FROZEN): S.DISPUTED,
    (S.FUNDED, CommandKind.REFUND): S.REFUNDING,
    (S.DISPUTED, CommandKind.REFUND): S.REFUNDING,
    (S.REFUNDING, Outcome.DONE): S.REFUNDED,
    (S.REFUNDING, Outcome.REFUSED): S.FUNDED,
    (S.REFUNDING, Outcome.REFUSED_FROZEN): S.DISPUTED,
    (S.FUNDED, CommandKind.FREEZE): S.FREEZING,
    (S.FREEZING, Outcome.DONE): S.DISPUTED,
    (S.FREEZING, Outcome.REFUSED): S.FUNDED,
    (S.FREEZING, Outcome.REFUSED_FROZEN): S.DISPUTED,
    (S.FUNDED, CommandKind.RESOLVE): S.RESOLVING,
    (S.DISPUTED, CommandKind.RESOLVE): S.RESOLVING,
    (S.RESOLVING, Outcome.DONE): S.RESOLVED,
    (S.RESOLVING, Outcome.REFUSED): S.FUNDED,
    (S.RESOLVING, Outcome.REFUSED_FROZEN): S.DISPUTED,
}
CLOSED = frozenset({S.RELEASED, S.REFUNDED, S.RESOLVED})
IN_MOTION = frozenset(state for state in S if state.endswith("ING"))


class WalletNotFound(NotFound):
    """The user has no wallet."""

    reason = "WALLET_NOT_FOUND"


class EscrowNotFound(NotFound):
    """The order has no escrow."""

    reason = "ESCROW_NOT_FOUND"


class CommandNotFound(NotFound):
    """The command does not exist."""

    reason = "COMMAND_NOT_FOUND"


class EscrowAlreadyExists(FailedPrecondition):
    """The order has an escrow already."""

    reason = "ESCROW_ALREADY_EXISTS"


class EscrowNotReady(FailedPrecondition):
    """The escrow's state does not allow the command."""

    reason = "ESCROW_NOT_READY"


class EscrowStillCreating(Aborted):
    """The contract is not deployed yet; the same call will succeed later."""

    reason = "ESCROW_NOT_READY"


class CommandInMotion(Aborted):
    """Another command on the escrow is in progress. Retry later."""

    reason = "COMMAND_IN_MOTION"


class CommandEnded(FailedPrecondition):
    """The command has already ended."""

    reason = "COMMAND_ENDED"


class SharesMismatch(InvalidArgument):
    """The shares are not in whole cents, or their sum is not the escrow's amount."""

    reason = "SHARES_MISMATCH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A user's account on chain. Its key is stored sealed, and only the vault opens it."""

    id: uuid.UUID
    marketplace_id: uuid.UUID
    user_id: uuid.UUID
    user_public_id: str
    address: str
    state: WalletState
    created_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the contract says, apart from its parties. amount: minor units, whole cents."""

    amount: int
    title: str
    description: str
    milestones: tuple[str, ...]
    platform_fee_bps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Escrow:
    """The contract of an order. version: that of its newest event, 0 before the first.

    Its address follows from factory ("" for the first) and salt (empty if an older version accepted
    it). deployment: the number of its place. resolver: of disputes, "" for the platform.
    seller_payout, buyer_payout: the address that is paid instead of the wallet, or "".
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    order_id: uuid.UUID
    contract_id: str
    wasm_hash: str
    buyer_wallet_id: uuid.UUID
    seller_wallet_id: uuid.UUID
    terms: Terms
    state: EscrowState
    created_at: dt.datetime
    version: int = 0
    funded_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    last_error: str = ""
    salt: bytes = b""
    deployment: int = 1
    factory: str = ""
    resolver: str = ""
    seller_payout: str = ""
    buyer_payout: str = ""

    @property
    def amount(self) -> Money:
        """Return the amount of the order."""
        return Money(asset=USDC, minor_units=self.terms.amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the chain reports it. is_absorbed_fee: the platform reimburses a fee with it."""

    payee: PayeeRole
    from_address: str
    to_address: str
    minor_units: int
    transaction_hash: str
    event_index: int
    is_absorbed_fee: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request that the worker carries out. Its id is the request id.

    was_frozen: the contract was disputed before the command began. waits: postponements since its
    last progress. error_reason: while it runs, what it waits for. abandoned_why: why an operator
    abandoned it; it ends once it is proven that none of its transactions has landed.
    """

    id: uuid.UUID
    marketplace_id: uuid.UUID
    kind: CommandKind
    state: CommandState
    created_at: dt.datetime
    escrow: Escrow | None = None
    wallet_id: uuid.UUID | None = None
    was_frozen: bool = False
    correlation_id: str = ""
    step: str = ""
    payments: tuple[Payment, ...] = ()
    error_reason: str = ""
    error_message: str = ""
    waits: int = 0
    finished_at: dt.datetime | None = None
    abandoned_why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """An event about an escrow. version: that of the escrow after the event."""

    event_type: str
    version: int
    payload: Mapping[str, object] = field(default_factory=dict)


def accept(escrow: Escrow, *, kind: CommandKind) -> tuple[Escrow, list[Fact]]:
    """Begin a command on an escrow.

    Raises: EscrowStillCreating; CommandInMotion: another command has not ended; EscrowNotReady:
        the state forbids it.
    """
    target = TRANSITIONS.get((escrow.state, kind))
    if target is None:
        raise _refusal(escrow.state)
    moved = replace(escrow, state=target, last_error="")
    if kind is CommandKind.FUND:
        return _tell(moved, "escrow.funding_started", {})
    return moved, []


def complete_milestone(escrow: Escrow) -> tuple[Escrow, list[Fact]]:
    """Record that the seller's milestone is marked complete on chain."""
    return _tell(escrow, "escrow.milestone_completed", {})


def succeed(
    escrow: Escrow, *, kind: CommandKind, payments: Sequence[Payment], at: dt.datetime
) -> tuple[Escrow, list[Fact]]:
    """End a command that has succeeded. payments: what the chain paid."""
    moved = replace(escrow, state=TRANSITIONS[escrow.state, Outcome.DONE], last_error="")
    if kind is CommandKind.COMPLETE_MILESTONE:
        # The milestone's event was written when the seller's mark landed.
        return moved, []
    if moved.state is S.FUNDED:
        moved = replace(moved, funded_at=at)
    if moved.state in CLOSED:
        moved = replace(moved, closed_at=at)
    event_type, payload = _outcome(moved, kind, payments, at)
    return _tell(moved, event_type, payload)


def refuse(
    escrow: Escrow, *, reason: str, message: str, was_frozen: bool
) -> tuple[Escrow, list[Fact]]:
    """End a command that the chain refused before it changed anything."""
    outcome = Outcome.REFUSED_FROZEN if was_frozen else Outcome.REFUSED
    state = TRANSITIONS[escrow.state, outcome]
    moved = replace(escrow, state=state, last_error=f"{reason}: {message}")
    return _tell(moved, "escrow.failed", {"reason": reason})


def check_shares(escrow: Escrow, *, seller: Money, buyer: Money, cent: int) -> None:
    """Check how an escrow's money is to be divided.

    cent: in minor units; the contract's fees are exact only on whole cents. Raises: SharesMismatch.
    """
    if seller.asset != escrow.amount.asset or buyer.asset != escrow.amount.asset:
        raise SharesMismatch("Shares must be in the escrow's asset")
    if min(seller.minor_units, buyer.minor_units) < 0:
        raise SharesMismatch("A share cannot be negative")
    if seller.minor_units % cent or buyer.minor_units % cent:
        raise SharesMismatch("Shares must be whole cents")
    if seller.minor_units + buyer.minor_units != escrow.amount.minor_units:
        details = {"amount": to_text(escrow.amount.minor_units)}
        raise SharesMismatch("Shares must add up to the escrow's amount", details=details)


def paid_to(payments: Sequence[Payment], payee: PayeeRole) -> int:
    """Return what a party received, reimbursements included, in minor units."""
    return sum(payment.minor_units for payment in payments if payment.payee is payee)


def _refusal(state: EscrowState) -> Aborted | FailedPrecondition:
    message, details = f"The escrow is {state.lower()}", {"state": state.value}
    if state is S.CREATING:
        return EscrowStillCreating(message, details=details)
    if state in IN_MOTION:
        return CommandInMotion(message, details=details)
    return EscrowNotReady(message, details=details)


def _outcome(
    escrow: Escrow, kind: CommandKind, payments: Sequence[Payment], at: dt.datetime
) -> tuple[str, dict[str, object]]:
    to_seller = to_text(paid_to(payments, PayeeRole.SELLER))
    to_buyer = to_text(paid_to(payments, PayeeRole.BUYER))
    instant = to_milliseconds_text(at)
    amount = to_text(escrow.terms.amount)
    created: dict[str, object] = {"trustlessContractId": escrow.contract_id, "amount": amount}
    divided: dict[str, object] = {"releasedAmount": to_seller, "refundedAmount": to_buyer}
    outcomes: dict[CommandKind, tuple[str, dict[str, object]]] = {
        CommandKind.CREATE: ("escrow.created", created),
        CommandKind.FUND: ("escrow.funded", {"fundedAt": instant, "amount": amount}),
        CommandKind.RELEASE: ("escrow.released", {"releasedAt": instant, "amount": to_seller}),
        CommandKind.REFUND: ("escrow.refunded", {"refundedAt": instant, "amount": to_buyer}),
        CommandKind.FREEZE: ("escrow.disputed", {}),
        CommandKind.RESOLVE: ("escrow.resolved", divided),
    }
    return outcomes[kind]


def _tell(
    escrow: Escrow, event_type: str, payload: Mapping[str, object]
) -> tuple[Escrow, list[Fact]]:
    version = escrow.version + 1
    names = {
        "escrowId": to_public("esc", escrow.id),
        "orderId": to_public("ord", escrow.order_id),
    }
    fact = Fact(event_type=event_type, version=version, payload={**names, **payload})
    return replace(escrow, version=version), [fact]
