"""A ledger and a chain in memory for random lives: the ledger decides as the real one does.

The ledger is the real domain over rows in memory, asked over the real wire. The chain moves money
when a command succeeds, by what it reports, and knows nothing of the ledger.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.ledger.v1 import ledger_pb2

from kernel.ids import TransferId
from services.ledger import wire
from services.ledger.book import (
    Account,
    Entry,
    NewTransfer,
    Result,
    TransferCode,
    TransferStatus,
    TransferType,
)
from services.orders.order.domain import UserName
from services.orders.peers.clients import new_transfer
from services.orders.peers.ports import Command, Payment, Posted, TimelineItem, Transfer
from tests.fakes import FakeEscrow
from tests.unit.ledger.asking import WORLD, Ledger

# The addresses of a payment's payees that are no user's.
PLATFORM_WALLET, OUTSIDE = "platform", "outside"
FEES = {"PROVIDER": "fees:provider", "PLATFORM": "fees:platform"}


@dataclass(slots=True)
class Bank:
    """The ledger as orders calls it."""

    ledger: Ledger = field(default_factory=Ledger)

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Open an empty account; repeating it changes nothing."""
        name = f"user:{user.id}"
        new = Account(asset=asset, name=name, public_id=user.public_id, stored_version=0)
        self.ledger.accounts.setdefault(name, new)

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Post transfers, all or nothing, one answer each."""
        if not transfers:
            return []
        request = ledger_pb2.PostTransfersRequest(
            transfers=[new_transfer(one, linked=one is not transfers[-1]) for one in transfers]
        )
        return [_posted(one) for one in self.ledger.ask(*wire.new_transfers(request))]

    async def timeline(self, order_id: uuid.UUID) -> list[TimelineItem]:
        """Return an empty timeline."""
        del order_id
        return []

    def deposit(self, account: str, amount: int) -> None:
        """Book a deposit to a user."""
        asked = NewTransfer(
            id=TransferId(uuid.uuid4()),
            type=TransferType.SINGLE,
            code=TransferCode.DEPOSIT,
            debit=WORLD,
            credit=account,
            asset="USDC",
            amount=amount,
            pending_id=None,
            linked=False,
            order_id=None,
            transaction_hash="",
            reason="",
        )
        assert self.ledger.ask_one(asked).status is TransferStatus.CREATED

    def posted(self, name: str) -> int:
        """Return an account's balance, holds included, as the sum of its entries."""
        return sum(_change(one) for one in self.ledger.entries if one.account == name)

    def total(self) -> int:
        """Sum up all entries of all accounts."""
        return sum(map(_change, self.ledger.entries))


def _change(entry: Entry) -> int:
    return entry.available_change + entry.reserved_change


def _posted(result: Result) -> Posted:
    return Posted(
        is_refused=result.status is TransferStatus.REFUSED,
        reason=result.reason,
        available=result.available or 0,
        requested=result.requested or 0,
        debited_reserved=result.debited.reserved if result.debited is not None else 0,
    )


@dataclass(slots=True)
class Chain(FakeEscrow):
    """Escrow with the balance of each address: users' wallets, contracts, fees, and the outside."""

    held: Counter[str] = field(default_factory=Counter)
    # The order or the user of each command, and the commands whose money has moved.
    subjects: dict[uuid.UUID, uuid.UUID] = field(default_factory=dict)
    moved: set[uuid.UUID] = field(default_factory=set)
    # What each user has paid to accounts outside.
    paid_out: Counter[uuid.UUID] = field(default_factory=Counter)

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Report a command's end. The first report of a success moves the money."""
        # Two zero-argument super() calls do not work in a dataclass with slots.
        known = await FakeEscrow.command(self, command_id=command_id, wait_seconds=wait_seconds)
        if known.state == "SUCCEEDED" and command_id not in self.moved:
            self.moved.add(command_id)
            for payment in known.payments:
                self._pay(self.kinds[command_id], self.subjects[command_id], payment)
        return known

    def _start(
        self,
        kind: str,
        command_id: uuid.UUID,
        order_id: uuid.UUID,
        payments: tuple[Payment, ...],
    ) -> Command:
        self.subjects[command_id] = order_id
        return FakeEscrow._start(self, kind, command_id, order_id, payments)

    def _pay(self, kind: str, subject: uuid.UUID, payment: Payment) -> None:
        if kind == "withdraw":
            source, target = f"user:{subject}", OUTSIDE
            self.paid_out[subject] += payment.amount
        else:
            order = self.orders[subject]
            users = {"SELLER": f"user:{order.seller.id}", "BUYER": f"user:{order.buyer.id}"}
            contract = f"escrow:{subject}"
            if payment.payee == "CONTRACT":
                source, target = users["BUYER"], contract
            else:
                source = PLATFORM_WALLET if payment.is_absorbed_fee else contract
                target = (users | FEES)[payment.payee]
        self.held[source] -= payment.amount
        self.held[target] += payment.amount
