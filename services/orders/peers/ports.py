"""The ports through which orders calls its peers. clients.py and the tests implement them."""

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
    # No automatic retry: the same request would start a new action.
    is_final = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A ledger transfer to post; amounts in minor units. type and code: the ledger's names.

    bars: for a VOID, which names the hold's accounts and amount. If the hold was never made,
    the VOID leaves a tombstone, and the ledger refuses the hold from then on.
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
    """The ledger's answer to one transfer; balances in minor units, if the ledger returns them."""

    is_refused: bool
    reason: str = ""
    available: int = 0
    requested: int = 0
    debited_reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment as the chain reports it, in minor units.

    is_redirected: the payment went to an address outside instead of the party's wallet.
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
    """The memo of a payment, which names the recipient behind a shared address."""

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
    """One entry of an order's timeline. at: ISO 8601 text; details: JSON values."""

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
    """The ledger: accounts and transfers."""

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Open a user's account, unless it is open."""
        ...

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Post transfers, all or nothing; return one answer for each."""
        ...

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's transfers, oldest first."""
        ...


class EscrowPort(Protocol):
    """The escrow service: wallets and contracts. A command that exists is not started again.

    What starts a command on an escrow that is there waits for its end, for a while.
    """

    async def create_wallet(self, *, user: UserName, wait_seconds: int) -> str:
        """Make a user's wallet and return its address."""
        ...

    async def create(self, *, command_id: uuid.UUID, escrow_id: uuid.UUID, order: Order) -> Command:
        """Start deploying the order's contract; the answer has the contract's address."""
        ...

    async def fund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Start moving the buyer's money into the contract."""
        ...

    async def complete_milestone(
        self, *, command_id: uuid.UUID, order_id: uuid.UUID, place: int
    ) -> Command:
        """Start completing a milestone. place: its position in the order, from 0."""
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
        """Start paying out the contract by shares, in minor units."""
        ...

    async def credit(self, *, command_id: uuid.UUID, user_id: uuid.UUID, amount: int) -> Command:
        """Start paying a user's wallet from the platform wallet. amount: minor units."""
        ...

    async def flaw_of(
        self, *, user_id: uuid.UUID | None, destination: str, memo: Memo | None, amount: int
    ) -> Flaw | None:
        """Return why a wallet may not pay an amount to an address; None: it may.

        user_id: the owner of the wallet; None: the platform wallet.
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
        """Start paying an amount in minor units from a user's wallet to an address outside.

        user_id: the owner of the wallet; None: the platform wallet.
        """
        ...

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Return the state of a command, after waiting at most `wait_seconds` for its end."""
        ...

    async def existing(self, order_id: uuid.UUID) -> Command:
        """Return an order's existing contract, in the form of a command that has succeeded."""
        ...

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """List an order's chain transactions, oldest first."""
        ...


class DisputesPort(Protocol):
    """The disputes service: the case of a disputed order."""

    async def open(
        self,
        *,
        request_id: str,
        dispute_id: uuid.UUID,
        order: Order,
        rules: MarketplaceRules,
        fields: Mapping[str, str],
    ) -> None:
        """Open the case. fields: description, initiated_by, evidence (JSON list).

        rules: the marketplace's rules, with the hours that support has.
        """
        ...

    async def decide(
        self, *, request_id: str, dispute_id: uuid.UUID, order: Order, fields: Mapping[str, str]
    ) -> None:
        """Record a decision in the case.

        fields: decision, release, refund (minor units), note, resolved_by, resolved_by_name.
        """
        ...

    async def withdraw(self, *, request_id: str, dispute_id: uuid.UUID, why: str) -> None:
        """Withdraw a decision that will never be paid. Without a decision, nothing changes."""
        ...

    async def complete(self, *, request_id: str, dispute_id: uuid.UUID) -> None:
        """Mark the case resolved."""
        ...


class CheckingPeers(Protocol):
    """Peers that answer what they would do for one command, without doing it.

    payments and steps: of the chain commands that have been checked so far.
    """

    @property
    def ledger(self) -> LedgerPort:
        """A ledger that checks transfers, each on top of those checked before."""
        ...

    @property
    def escrow(self) -> EscrowPort:
        """An escrow that returns how each command would end."""
        ...

    @property
    def disputes(self) -> DisputesPort:
        """Disputes that write nothing."""
        ...

    @property
    def payments(self) -> Sequence[Payment]:
        """The payments that the chain would make, without transaction hashes."""
        ...

    @property
    def steps(self) -> Sequence[str]:
        """The names of the chain transactions that would follow."""
        ...

    async def balances(self, users: Sequence[UserName], *, asset: str) -> list[BalanceChange]:
        """Return users' balances before and after the checked transfers."""
        ...
