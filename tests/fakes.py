"""In-memory fakes of the services that orders calls, for tests of orders without a network.

The fakes keep the guarantees that orders relies on: a repeated id changes nothing, a hold is posted
or voided once, a command ends once. `is_away` makes a fake unavailable.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernel.errors import DomainError, FailedPrecondition, Unavailable
from services.orders.order.domain import Order, UserName
from services.orders.order.marketplace_rules import MarketplaceRules
from services.orders.peers.ports import (
    Command,
    Flaw,
    Memo,
    Payment,
    Posted,
    TimelineItem,
    Transfer,
)

HASH = "ab" * 32


@dataclass(slots=True)
class FakeLedger:
    """Balances per user, holds per id, transfers by id."""

    available: dict[str, int] = field(default_factory=dict)
    holds: dict[uuid.UUID, tuple[str, int]] = field(default_factory=dict)
    ended_holds: set[uuid.UUID] = field(default_factory=set)
    barred: set[uuid.UUID] = field(default_factory=set)
    # Users whose accounts do not exist until they are opened.
    unopened: set[str] = field(default_factory=set)
    # Each call waits here before it changes anything. `calls` counts the calls.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    transfers: dict[uuid.UUID, Transfer] = field(default_factory=dict)
    is_away: bool = False
    calls: int = 0

    def __post_init__(self) -> None:
        """Let every call through."""
        self.gate.set()

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Open an account with nothing in it."""
        del asset
        self._require_present()
        self.available.setdefault(f"user:{user.id}", 0)
        self.unopened.discard(f"user:{user.id}")

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Post each transfer; a known id returns its earlier result."""
        self.calls += 1
        await self.gate.wait()
        self._require_present()
        await asyncio.sleep(0)
        return [self._one(transfer) for transfer in transfers]

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """Tell nothing."""
        del order_id
        return []

    def reserved(self, account: str) -> int:
        """Sum the open holds of an account."""
        return sum(
            amount
            for hold, (owner, amount) in self.holds.items()
            if owner == account and hold not in self.ended_holds
        )

    def _one(self, transfer: Transfer) -> Posted:
        if transfer.id in self.transfers:
            assert self.transfers[transfer.id] == transfer, "same id, other transfer"
            return Posted(is_refused=False, debited_reserved=self.reserved(transfer.debit))
        if transfer.type == "PENDING":
            if transfer.id in self.barred:
                return Posted(is_refused=True, reason="PENDING_ALREADY_VOIDED")
            if transfer.debit in self.unopened:
                return Posted(is_refused=True, reason="ACCOUNT_NOT_FOUND")
            free = self.available.get(transfer.debit, 0)
            if free < transfer.amount:
                return Posted(
                    is_refused=True,
                    reason="INSUFFICIENT_FUNDS",
                    available=free,
                    requested=transfer.amount,
                )
            self.available[transfer.debit] = free - transfer.amount
            self.holds[transfer.id] = (transfer.debit, transfer.amount)
        elif transfer.type == "SINGLE":
            self.available[transfer.credit] = (
                self.available.get(transfer.credit, 0) + transfer.amount
            )
        elif transfer.bars and transfer.pending_id in self.ended_holds:
            return Posted(is_refused=True, reason="PENDING_ALREADY_VOIDED")
        else:
            self._end(transfer)
        self.transfers[transfer.id] = transfer
        return Posted(is_refused=False, debited_reserved=self.reserved(transfer.debit))

    def _end(self, transfer: Transfer) -> None:
        assert transfer.pending_id is not None
        assert transfer.pending_id not in self.ended_holds, "a hold ends once"
        if transfer.bars and transfer.pending_id not in self.holds:
            self.barred.add(transfer.pending_id)
            return
        owner, amount = self.holds[transfer.pending_id]
        self.ended_holds.add(transfer.pending_id)
        if transfer.type == "VOID":
            self.available[owner] += amount

    def _require_present(self) -> None:
        if self.is_away:
            raise Unavailable("the ledger is away")


@dataclass(slots=True)
class FakeEscrow:
    """Commands by id. Commands end when the test opens the gate (at once by default)."""

    commands: dict[uuid.UUID, Command] = field(default_factory=dict)
    orders: dict[uuid.UUID, Order] = field(default_factory=dict)
    kinds: dict[uuid.UUID, str] = field(default_factory=dict)
    # The user whose wallet pays each withdrawal; None: the platform wallet pays.
    payers: dict[uuid.UUID, uuid.UUID | None] = field(default_factory=dict)
    fails: dict[str, str] = field(default_factory=dict)
    # Refusals before a command is created, by kind.
    refuses: dict[str, DomainError] = field(default_factory=dict)
    # The flaws of addresses that cannot be paid.
    flaws: dict[str, Flaw] = field(default_factory=dict)
    # Kinds of commands whose outcome stays unknown while they are listed here.
    quarantined: set[str] = field(default_factory=set)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    is_away: bool = False
    frozen: int = 0
    # The indexes of the milestones that orders asked to complete.
    marked: list[int] = field(default_factory=list)
    # The number of calls of `command` that wait at the gate.
    asked: int = 0

    def __post_init__(self) -> None:
        """Let every command end at once."""
        self.gate.set()

    async def create_wallet(self, *, user: UserName, wait_seconds: int) -> str:
        """Return an address."""
        del wait_seconds
        self._require_present()
        return "G" + user.id.hex.upper()[:20]

    async def create(self, *, command_id: uuid.UUID, escrow_id: uuid.UUID, order: Order) -> Command:
        """Accept a deployment."""
        del escrow_id
        self.orders[order.id] = order
        return self._start("create", command_id, order.id, ())

    async def fund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Accept a funding."""
        amount = self.orders[order_id].amount
        return self._start("fund", command_id, order_id, (_pay("CONTRACT", amount),))

    async def complete_milestone(
        self, *, command_id: uuid.UUID, order_id: uuid.UUID, place: int
    ) -> Command:
        """Accept the completion of a milestone."""
        self.marked.append(place)
        return self._start("complete_milestone", command_id, order_id, ())

    async def release(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Accept a release: the contract pays net of 30 basis points, the platform the rest."""
        amount = self.orders[order_id].amount
        return self._start("release", command_id, order_id, _net("SELLER", amount))

    async def refund(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Accept a refund."""
        amount = self.orders[order_id].amount
        return self._start("refund", command_id, order_id, _net("BUYER", amount))

    async def freeze(self, *, command_id: uuid.UUID, order_id: uuid.UUID) -> Command:
        """Accept a freeze."""
        self.frozen += 1
        return self._start("freeze", command_id, order_id, ())

    async def resolve(
        self, *, command_id: uuid.UUID, order: Order, to_seller: int, to_buyer: int
    ) -> Command:
        """Accept a resolution."""
        payments = (_net("SELLER", to_seller) if to_seller else ()) + (
            _net("BUYER", to_buyer) if to_buyer else ()
        )
        return self._start("resolve", command_id, order.id, payments)

    async def credit(self, *, command_id: uuid.UUID, user_id: uuid.UUID, amount: int) -> Command:
        """Accept a payment of the platform to a wallet."""
        return self._start("credit", command_id, user_id, (_pay("WALLET", amount),))

    async def flaw_of(
        self, *, user_id: uuid.UUID | None, destination: str, memo: Memo | None, amount: int
    ) -> Flaw | None:
        """Return the flaw of an address, if it has one."""
        del user_id, memo, amount
        self._require_present()
        return self.flaws.get(destination)

    async def withdraw(
        self,
        *,
        command_id: uuid.UUID,
        user_id: uuid.UUID | None,
        destination: str,
        memo: Memo | None,
        amount: int,
    ) -> Command:
        """Accept a payment to an address outside."""
        del destination, memo
        self.payers[command_id] = user_id
        payer = user_id or uuid.UUID(int=0)
        return self._start("withdraw", command_id, payer, (_pay("WALLET", amount),))

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Return the command; after the gate is open, the command has ended."""
        del wait_seconds
        self._require_present()
        self.asked += 1
        await self.gate.wait()
        self.asked -= 1
        known = self.commands[command_id]
        if self.kinds[command_id] in self.quarantined:
            return replace(known, state="QUARANTINED", error_reason="OUTCOME_UNKNOWN")
        if known.error_reason:
            return replace(known, state="FAILED")
        return replace(known, state="SUCCEEDED")

    async def existing(self, order_id: uuid.UUID) -> Command:
        """Return the contract of an order."""
        return Command(id=order_id, state="SUCCEEDED", contract_id=_contract(order_id))

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """Tell nothing."""
        del order_id
        return []

    def _start(
        self,
        kind: str,
        command_id: uuid.UUID,
        order_id: uuid.UUID,
        payments: tuple[Payment, ...],
    ) -> Command:
        self._require_present()
        if kind in self.refuses:
            raise self.refuses[kind]
        reason = self.fails.get(kind, "")
        command = Command(
            id=command_id,
            state="RUNNING",
            contract_id=_contract(order_id),
            escrow_status="DISPUTED" if kind == "freeze" else "",
            payments=payments,
            error_reason=reason,
        )
        self.commands.setdefault(command_id, command)
        self.kinds[command_id] = kind
        return command

    def _require_present(self) -> None:
        if self.is_away:
            raise Unavailable("the escrow is away")


@dataclass(slots=True)
class FakeDisputes:
    """Cases by id with their decision. rules: the marketplace's rules when each was opened."""

    rules: dict[uuid.UUID, MarketplaceRules] = field(default_factory=dict)
    decisions: dict[uuid.UUID, str | None] = field(default_factory=dict)
    completed: set[uuid.UUID] = field(default_factory=set)

    async def open(
        self,
        *,
        request_id: str,
        dispute_id: uuid.UUID,
        order: Order,
        rules: MarketplaceRules,
        fields: Mapping[str, str],
    ) -> None:
        """Open a case; a repetition changes nothing."""
        del request_id, order, fields
        self.decisions.setdefault(dispute_id, None)
        self.rules[dispute_id] = rules

    async def decide(
        self, *, request_id: str, dispute_id: uuid.UUID, order: Order, fields: Mapping[str, str]
    ) -> None:
        """Record the first decision; refuse a different one."""
        del request_id, order
        known = self.decisions[dispute_id]
        if known is not None and known != fields["decision"]:
            raise FailedPrecondition("decided", reason="DECISION_ALREADY_MADE")
        self.decisions[dispute_id] = fields["decision"]

    async def withdraw(self, *, request_id: str, dispute_id: uuid.UUID, why: str) -> None:
        """Forget the decision."""
        del request_id, why
        self.decisions[dispute_id] = None

    async def complete(self, *, request_id: str, dispute_id: uuid.UUID) -> None:
        """Mark a case resolved."""
        del request_id
        self.completed.add(dispute_id)


def _contract(order_id: uuid.UUID) -> str:
    return "C" + order_id.hex.upper()


def _pay(payee: str, amount: int, *, is_absorbed: bool = False) -> Payment:
    return Payment(
        payee=payee,  # type: ignore[arg-type] # the callers name known sides
        amount=amount,
        transaction_hash=HASH,
        is_absorbed_fee=is_absorbed,
    )


def _net(payee: str, amount: int) -> tuple[Payment, ...]:
    fee = amount * 30 // 10_000
    return (
        _pay("PROVIDER", fee),
        _pay(payee, amount - fee),
        _pay(payee, fee, is_absorbed=True),
    )
