"""Values of the ledger, and the Book: the part of a marketplace's ledger that a batch touches.

Pure, like domain.py, which decides on a book; nothing is refused here.
"""

import datetime as dt
import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from kernel.ids import MarketplaceId, OrderId, TransferId

# What a bigint can hold: the totals of an account stay below.
TOTAL_MAX = 2**63 - 1
USER = "user:"
ESCROW = "escrow:"
# Accounts that keep figures in their row and may never be overdrawn.
_LIMITED = (USER, ESCROW)


class TransferType(enum.IntEnum):
    """What a transfer does; the numbers are the contract's."""

    SINGLE = 1
    PENDING = 2
    POST = 3
    VOID = 4


class TransferCode(enum.IntEnum):
    """Why money moves; the numbers are the contract's."""

    DEPOSIT = 1
    RESERVE = 2
    CANCEL = 3
    FUND = 4
    RELEASE = 5
    REFUND = 6
    DISPUTE_RELEASE = 7
    DISPUTE_REFUND = 8
    PROVIDER_FEE = 9
    PLATFORM_FEE = 10
    FEE_ABSORBED = 11
    MANUAL_CREDIT = 12
    CORRECTION = 13
    SURPLUS = 14


class TransferStatus(enum.IntEnum):
    """How a transfer was answered; the numbers are the contract's."""

    CREATED = 1
    EXISTS = 2
    REFUSED = 3


class NewTransfer(NamedTuple):
    """A transfer as asked. amount: minor units; None: the whole hold (POST, VOID).

    POST and VOID name no accounts: theirs are the hold's. bars: a VOID that names accounts and
    amount of a hold, which is refused for good where it has not been made yet.
    """

    id: TransferId
    type: TransferType
    code: TransferCode
    debit: str
    credit: str
    asset: str
    amount: int | None
    pending_id: TransferId | None
    linked: bool
    order_id: OrderId | None
    transaction_hash: str
    reason: str
    bars: bool = False


class Bar(NamedTuple):
    """The id of a hold that was never made and never will be."""

    hold_id: TransferId
    order_id: OrderId | None
    reason: str


class Transfer(NamedTuple):
    """A transfer as kept. amount: minor units, of a VOID what it gave back."""

    id: TransferId
    type: TransferType
    code: TransferCode
    debit: str
    credit: str
    asset: str
    amount: int
    pending_id: TransferId | None
    order_id: OrderId | None
    transaction_hash: str
    reason: str
    at: dt.datetime


@dataclass(slots=True, kw_only=True)
class Account:
    """The figures of a user's or an escrow's account, in minor units, all of its lifetime.

    version: entries written so far; stored_version: those in the database, None: no row yet.
    """

    asset: str
    name: str
    public_id: str = ""
    credits: int = 0
    debits: int = 0
    holds: int = 0
    version: int = 0
    stored_version: int | None = None

    @property
    def available(self) -> int:
        """Return what may be spent or held."""
        return self.credits - self.debits - self.holds


class Balance(NamedTuple):
    """A user's account at one moment, in minor units. user_id: a UUID's canonical spelling."""

    user_id: str
    public_id: str
    asset: str
    available: int
    reserved: int


class Entry(NamedTuple):
    """One line of an account. version and the figures after it: None where they are derived."""

    transfer: Transfer
    account: str
    public_id: str
    version: int | None
    available_change: int
    reserved_change: int
    available_after: int | None
    reserved_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseAccount:
    """An account of the marketplace that is no user's. balance: credits - debits, minor units.

    number: its place in the list.
    """

    number: int
    name: str
    asset: str
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """An invariant and whether it holds. details: how much was compared; the first offenders."""

    name: str
    holds: bool
    details: str


class Result(NamedTuple):
    """The answer to one transfer. available and requested: set for INSUFFICIENT_FUNDS."""

    id: TransferId
    status: TransferStatus
    reason: str = ""
    asset: str = ""
    available: int | None = None
    requested: int | None = None
    debited: Balance | None = None
    credited: Balance | None = None


@dataclass(slots=True, kw_only=True)
class Book:
    """What a batch knows of one marketplace, and what it will write there.

    accounts: (asset, name) → the user's and escrow accounts that were found, locked.
    transfers: the known ones among the ids asked and the holds they name. resolved: hold → how.
    barred: ids among them that are refused for good. new_transfers, new_entries, new_bars: what
    `decide` added, in order.
    """

    marketplace_id: MarketplaceId
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    transfers: dict[TransferId, Transfer] = field(default_factory=dict)
    resolved: dict[TransferId, TransferType] = field(default_factory=dict)
    barred: set[TransferId] = field(default_factory=set)
    new_transfers: list[Transfer] = field(default_factory=list)
    new_entries: list[Entry] = field(default_factory=list)
    new_bars: list[Bar] = field(default_factory=list)
    # While a linked group is decided: the figures before each change.
    _undo: list[tuple[Account, int, int, int, int]] | None = None

    def begin(self) -> None:
        """Remember figures from here on, so that `roll_back` can restore them."""
        self._undo = []

    def commit(self) -> None:
        """Forget what `begin` remembered."""
        self._undo = None

    def roll_back(self, *, transfers: int, entries: int, bars: int) -> None:
        """Return to the figures at `begin`, when there were so many of each that is new."""
        for account, credits_, debits, holds, version in reversed(self._undo or []):
            account.credits, account.debits = credits_, debits
            account.holds, account.version = holds, version
        for transfer in self.new_transfers[transfers:]:
            del self.transfers[transfer.id]
            if transfer.pending_id is not None:
                del self.resolved[transfer.pending_id]
        del self.new_transfers[transfers:]
        del self.new_entries[entries:]
        self.barred -= {bar.hold_id for bar in self.new_bars[bars:]}
        del self.new_bars[bars:]
        self._undo = None

    def find(self, asset: str, name: str) -> Account | None:
        """Return the account's figures; an escrow's begin at zero; None: derived or not open."""
        account = self.accounts.get((asset, name))
        if account is None and name.startswith(ESCROW):
            account = self.accounts[asset, name] = Account(asset=asset, name=name)
        return account

    def add(self, transfer: Transfer) -> None:
        """Keep a transfer."""
        self.transfers[transfer.id] = transfer
        self.new_transfers.append(transfer)
        if transfer.pending_id is not None:
            self.resolved[transfer.pending_id] = transfer.type

    def bar(self, bar: Bar) -> None:
        """Refuse a hold for good."""
        self.barred.add(bar.hold_id)
        self.new_bars.append(bar)

    def move(
        self, transfer: Transfer, name: str, *, credit: int = 0, debit: int = 0, hold: int = 0
    ) -> None:
        """Change an account's figures and write the line that says so.

        hold: what is reserved; negative gives back.
        """
        available_change = credit - debit - hold
        account = self.find(transfer.asset, name)
        if account is None:
            # Nothing is held on a derived account: only what moved has a line.
            if change := credit - debit:
                line = Entry(transfer, name, "", None, change, 0, None, None)
                self.new_entries.append(line)
            return
        if self._undo is not None:
            figures = (account.credits, account.debits, account.holds, account.version)
            self._undo.append((account, *figures))
        account.credits += credit
        account.debits += debit
        account.holds += hold
        account.version += 1
        self.new_entries.append(
            Entry(
                transfer,
                name,
                account.public_id,
                account.version,
                available_change,
                hold,
                account.available,
                account.holds,
            )
        )


def is_limited(name: str) -> bool:
    """Tell whether an account keeps figures and may not be overdrawn: users' and escrows'."""
    return name.startswith(_LIMITED)
