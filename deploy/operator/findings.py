"""The findings of an operator's checks: values, and rules that say which ones are problems."""

from collections.abc import Sequence
from dataclasses import dataclass

from kernel.money import to_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One account in the ledger and on chain, in minor units.

    in_motion: a command on it is in progress. is_closed: it is a contract that has paid out.
    is_overfunded: the buyer's own wallet paid more than the order's amount into the contract.
    """

    account: str
    ledger: int
    chain: int
    in_motion: bool
    is_closed: bool = False
    is_overfunded: bool = False

    @property
    def differs(self) -> bool:
        """Return whether the sides differ, no command is in progress, and it is no surplus."""
        return self.ledger != self.chain and not self.in_motion and not self.is_surplus

    @property
    def is_surplus(self) -> bool:
        """Return whether the contract has more because somebody else sent money to it.

        A contract that has paid out has nothing left in the ledger. A contract that has not paid
        out has all funded money in the ledger. A contract whose funding is not booked has no
        surplus.
        """
        is_all_booked = (self.ledger == 0) if self.is_closed else (self.ledger > 0)
        is_more = self.chain > self.ledger and is_all_booked
        return self.account.startswith("escrow:") and is_more and not self.is_overfunded

    def describe(self) -> str:
        """Describe the account's balances on both sides."""
        return f"{self.account}: ledger {to_text(self.ledger)}, chain {to_text(self.chain)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A deposit in suspense; amount in minor units. user_id: the wallet's user, or empty."""

    transfer_id: str
    user_id: str
    asset: str
    minor_units: int
    memo: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One operator's proposal that another operator may approve. what: a text with the reason.

    state: OPEN, APPROVED, REJECTED or EXPIRED. settles: the event that it settles, or "".
    """

    id: str
    what: str
    state: str
    proposed_by: str
    decided_by: str
    expires_at: str
    settles: str

    def describe(self) -> str:
        """Describe the proposal in a sentence."""
        by = f", {self.state.lower()} by {self.decided_by}" if self.decided_by else ""
        until = f" until {self.expires_at}" if self.state == "OPEN" else ""
        return f"{self.state}{until} {self.id}: {self.what}, proposed by {self.proposed_by}{by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """An operation in progress. since: when it was requested, ISO 8601."""

    kind: str
    step: str
    attempts: int
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNow:
    """An order and its operation in progress. state: UNKNOWN: there is no such order."""

    id: str
    state: str
    operation: Running | None = None

    @property
    def in_motion(self) -> bool:
        """Whether an operation on the order is in progress."""
        return self.operation is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalNow:
    """A withdrawal. state: UNKNOWN: there is no such withdrawal."""

    state: str
    in_progress: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Misplaced:
    """Money that the ledger holds or locks for an order whose state does not allow it.

    order_id: if the money is held for a withdrawal, the withdrawal's id (wd_…).
    """

    account: str
    order_id: str
    minor_units: int
    state: str

    def describe(self) -> str:
        """Name the account and the order's state."""
        amount = to_text(self.minor_units)
        kind = "withdrawal" if self.order_id.startswith("wd_") else "order"
        return f"{amount} of {self.account} for {kind} {self.order_id}, which is {self.state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckCommand:
    """A command of escrow that is quarantined, waits or runs for long. since: ISO 8601."""

    id: str
    kind: str
    state: str
    step: str
    account: str
    why: str
    since: str

    def describe(self) -> str:
        """Describe where and why the command stopped."""
        return f"{self.kind} {self.id} of {self.account} at {self.step}, {self.since}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAside:
    """A transfer from outside that could not be recorded. event_id: to settle by a correction."""

    event_id: str
    transaction_hash: str
    to_address: str
    why: str

    def describe(self) -> str:
        """Describe the transfer in a sentence."""
        to = self.to_address or "an unknown address"
        return f"{self.event_id} {self.transaction_hash} to {to}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignChange:
    """A change of an order's contract by a transaction that is not ours. since: when it was seen.

    event_id: what a correction settles.
    """

    event_id: str
    order_id: str
    contract_id: str
    name: str
    transaction_hash: str
    since: str

    def describe(self) -> str:
        """Describe the change in a sentence."""
        return (
            f"{self.event_id} {self.transaction_hash} {self.name} on {self.contract_id}"
            f" of order {self.order_id}, seen {self.since}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHold:
    """Sending is on hold: the chain has transactions that escrow lacks. unclaimed: hashes."""

    why: str
    since: str
    unclaimed: Sequence[str]

    def describe(self) -> str:
        """Describe since when and why sending is on hold; lists the unclaimed transactions."""
        left = f"no step claims {', '.join(self.unclaimed)}"
        claimed = left if self.unclaimed else "steps claim every transaction that was found"
        return f"nothing was sent since {self.since}: {self.why}; {claimed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirection:
    """A party is paid at another address. approved_by: "": the redirection is only proposed."""

    party: str
    address: str
    proposed_by: str
    approved_by: str
    expires_at: str

    @property
    def state(self) -> str:
        """Return whether the redirection is proposed or in effect."""
        return "APPROVED" if self.approved_by else "PROPOSED"

    def describe(self) -> str:
        """Describe who has decided, and what must still be done."""
        what = f"the {self.party.lower()} is paid at {self.address}"
        if self.approved_by:
            return f"APPROVED {what}, by {self.approved_by}; proposed by {self.proposed_by}"
        another = "another operator must give the same command"
        return f"PROPOSED {what}, by {self.proposed_by}; {another} until {self.expires_at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blindness:
    """Escrow does not see deposits. since: when it last read the chain, ISO 8601."""

    why: str
    since: str

    def describe(self) -> str:
        """Describe since when deposits are not seen, and why."""
        why = self.why or "the watcher has not run since; check escrow and its node"
        return f"no deposit was seen since {self.since}: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """What escrow lists for an operator's attention."""

    commands: Sequence[StuckCommand]
    transfers: Sequence[TransferAside]
    changes: Sequence[ForeignChange] = ()
    hold: ChainHold | None = None
    blindness: Blindness | None = None

    @property
    def quarantined(self) -> list[StuckCommand]:
        """The commands that continue only after an operator requeues them."""
        return [found for found in self.commands if found.state == "QUARANTINED"]
