"""What orders asks of its peers, in its own words; implemented by the network and by tests."""

import enum
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kernel.errors import Unavailable
from services.orders.order.domain import Order, UserName
from services.orders.order.marketplace_rules import MarketplaceRules

Payee = Literal["CONTRACT", "SELLER", "BUYER", "PLATFORM", "PROVIDER", "WALLET"]
CommandState = Literal["RUNNING", "SUCCEEDED", "FAILED", "QUARANTINED"]


class ProviderError(Unavailable):
    """The chain refused the action. It had no effect, and the request can be tried again."""

    reason = "PROVIDER_ERROR"
    # Something has moved since: the same request is another one now.
    is_final = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A ledger transfer to post; amounts in minor units. type and code: the ledger's own names.

    bars: a VOID that names the hold's accounts and amount; where that hold was never
    made, the ledger refuses it from then on.
    """

    id: uuid.UUID
    type: Literal["SINGLE", "PENDING", "POST", "VOID"]
    code: str
    order_id: uuid.UUID | None
    debit: str = ""
    credit: str = ""
    asset: str = ""
    amount: int = 0
    pending_id: uuid.UUID | None = None
    transaction_hash: str = ""
    reason: str = ""
    bars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The ledger's answer to one transfer; balances in minor units where it returns them."""

    is_refused: bool
    reason: str = ""
    available: int = 0
    requested: int = 0
    debited_reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the chain reports it, in minor units.

    is_redirected: it went to an address outside, in place of the party's wallet.
    """

    payee: Payee
    amount: int
    transaction_hash: str
    is_absorbed_fee: bool = False
    is_redirected: bool = False


class MemoType(enum.Enum):
    """The kinds of memos. TEXT: up to 28 bytes; ID: 64 bits, in decimal; HASH: 32 bytes, in hex."""

    TEXT = "TEXT"
    ID = "ID"
    HASH = "HASH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """The memo of a payment: whose it is behind an address that several share."""

    type: MemoType
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Why nothing may be paid to an address: a code, and a sentence."""

    why: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The state of an escrow command."""

    id: uuid.UUID
    state: CommandState
    contract_id: str = ""
    escrow_status: str = ""
    payments: tuple[Payment, ...] = ()
    error_reason: str = ""
    error_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineItem:
    """Something that happened to an order elsewhere. at: ISO 8601 text; details: JSON values."""

    at: str
    kind: Literal["TRANSITION", "TRANSFER", "TRANSACTION", "OPERATION"]
    name: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceChange:
    """A user's balance before and after a command, in minor units."""

    user: UserName
    available_before: int
    reserved_before: int
    available_after: int
    reserved_after: int


class LedgerPort(Protocol):
    """Balances and transfers."""

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Open a user's account; again does nothing."""
        ...

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Post transfers, all or nothing, one answer each."""
        ...

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's transfers, oldest first."""
        ...


class EscrowPort(Protocol):
    """Wallets and contracts. Starting a command again with the same id does nothing new."""

    async def create_wallet(self, *, user: UserName, wait_seconds: int) -> str:
        """Make a user's wallet and return its address."""
        ...

    async def create(self, *, command_id: uuid.UUID, escrow_id: uuid.UUID, order: Order) -> Command:
        """Start deploying the order's contract; the answer has its address."""
        ...

    async def fund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start moving the buyer's money into the contract."""
        ...

    async def complete_milestone(
        self, *, command_id: uuid.UUID, order_id: uuid.UUID, place: int
    ) -> Command:
        """Start marking a milestone. place: among the order's, from 0."""
        ...

    async def release(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start paying the seller."""
        ...

    async def refund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start paying the buyer back."""
        ...

    async def freeze(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start freezing the contract."""
        ...

    async def resolve(
        self, *, command_id: uuid.UUID, order: Order, to_seller: int, to_buyer: int
    ) -> Command:
        """Start paying the contract out by shares, in minor units."""
        ...

    async def credit(self, *, command_id: uuid.UUID, user_id: uuid.UUID, amount: int) -> Command:
        """Start paying a user's wallet from the platform's, in minor units."""
        ...

    async def flaw_of(
        self, *, user_id: uuid.UUID | None, destination: str, memo: Memo | None, amount: int
    ) -> Flaw | None:
        """Return why a wallet may not pay an amount to an address; None: it may.

        user_id: whose wallet; None: the platform's.
        """
        ...

    async def withdraw(
        self,
        *,
        command_id: uuid.UUID,
        user_id: uuid.UUID | None,
        destination: str,
        memo: Memo | None,
        amount: int,
    ) -> Command:
        """Start paying from a user's wallet to an address outside, in minor units.

        user_id: None: from the platform's wallet.
        """
        ...

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Return the state of a command; waits for its end at most so long."""
        ...

    async def existing(self, order_id: uuid.UUID) -> Command:
        """Return an order's contract, as a command that has ended."""
        ...

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's chain transactions, oldest first."""
        ...


class DisputesPort(Protocol):
    """The case file of a dispute."""

    async def open(
        self,
        *,
        request_id: str,
        dispute_id: uuid.UUID,
        order: Order,
        rules: MarketplaceRules,
        fields: Mapping[str, str],
    ) -> None:
        """Open the case; fields: description, initiated_by, evidence (JSON list).

        rules: of the marketplace; they say how long support may take.
        """
        ...

    async def decide(
        self, *, request_id: str, dispute_id: uuid.UUID, order: Order, fields: Mapping[str, str]
    ) -> None:
        """Record the decision; fields: decision, release, refund (minor units), note, by."""
        ...

    async def withdraw(self, *, request_id: str, dispute_id: uuid.UUID, why: str) -> None:
        """Take back a decision that will never be paid; without one nothing changes."""
        ...

    async def complete(self, *, request_id: str, dispute_id: uuid.UUID) -> None:
        """Mark the case resolved."""
        ...


class CheckingPeers(Protocol):
    """Peers that say what they would do for one command, and do nothing.

    payments and steps: of the chain, as far as the command has asked for them.
    """

    @property
    def ledger(self) -> LedgerPort:
        """Answers transfers as it would now, each after those that were asked before."""
        ...

    @property
    def escrow(self) -> EscrowPort:
        """Ends every command at once, as it would end."""
        ...

    @property
    def disputes(self) -> DisputesPort:
        """Keeps nothing."""
        ...

    @property
    def payments(self) -> Sequence[Payment]:
        """What the chain would pay, without transaction hashes."""
        ...

    @property
    def steps(self) -> Sequence[str]:
        """Names of the chain transactions to come."""
        ...

    async def balances(self, users: Sequence[UserName], *, asset: str) -> list[BalanceChange]:
        """Return users' balances before and after the transfers that were asked."""
        ...
