"""Values of the ledger, and the Book: the part of a marketplace's ledger that a batch touches.

Pure. domain.py decides on a book and refuses transfers; this module refuses nothing.
"""

import datetime as dt
import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from kernel.ids import MarketplaceId, OrderId, TransferId

# The largest bigint. The totals of an account must not exceed it.
TOTAL_MAX = 2**63 - 1
USER = "user:"
ESCROW = "escrow:"
# The platform's own money: the fees that it has earned, the fees that it has borne for parties, and
# its manual credits.
FEES = "fees:platform"
BORNE = "fees:absorbed"
CREDITED = "manual"
PLATFORM = (FEES, BORNE, CREDITED)
SUSPENSE = "suspense"
# Accounts that have figures in their row and can never be overdrawn.
_LIMITED = (USER, ESCROW)


class TransferType(enum.IntEnum):
    """The kinds of transfers; the numbers are the contract's."""

    SINGLE = 1
    PENDING = 2
    POST = 3
    VOID = 4


class TransferCode(enum.IntEnum):
    """The reason why money moves; the numbers are the contract's."""

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
    WITHDRAWAL = 15


class TransferStatus(enum.IntEnum):
    """The answer to a transfer; the numbers are the contract's."""

    CREATED = 1
    EXISTS = 2
    REFUSED = 3


class NewTransfer(NamedTuple):
    """A requested transfer. amount: minor units; None: the whole hold (POST, VOID).

    POST and VOID use the accounts of their hold and name none. bars: for a VOID, which then names
    the hold's accounts and amount; if the hold does not exist yet, the hold is refused for ever.
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
    """A tombstone: the id of a hold that does not exist and can never be made."""

    hold_id: TransferId
    order_id: OrderId | None
    reason: str


class Transfer(NamedTuple):
    """A stored transfer. amount: minor units; for a VOID, the amount that was released."""

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
    """The figures of a user's or an escrow's account over its lifetime, in minor units.

    version: the number of its entries. stored_version: the version in the database; None: no row
    yet.
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
        """Return the amount that can be spent or held."""
        return self.credits - self.debits - self.holds


class Balance(NamedTuple):
    """A user's balance at one moment, in minor units. user_id: a UUID in canonical spelling."""

    user_id: str
    public_id: str
    asset: str
    available: int
    reserved: int


class Entry(NamedTuple):
    """One line of an account. version and the figures after it: None for a house account."""

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
    """An account that does not belong to a user. balance: credits - debits, in minor units.

    number: its position in lists.
    """

    number: int
    name: str
    asset: str
    balance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformMoney:
    """The platform's own money in one asset, in minor units; none is negative.

    earned, borne, withdrawn: over its lifetime. reserved: held for withdrawals. credited: manual
    credits that the platform wallet has paid to users. suspense: deposits of unknown users.
    """

    asset: str
    earned: int
    borne: int
    withdrawn: int
    reserved: int
    credited: int
    suspense: int

    @property
    def available(self) -> int:
        """Return the amount that can be withdrawn."""
        return max(self.earned - self.borne - self.withdrawn - self.reserved, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """An invariant and whether it holds. details: the number compared; the first violations."""

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
    """The part of one marketplace's ledger that a batch reads, and the rows it will write.

    accounts: (asset, name) → the existing accounts of users and escrows, locked. transfers: the
    existing transfers among the requested ids and the holds that they name. resolved: hold → POST
    or VOID. barred: those of these ids that have a tombstone. earned: asset → the fees that the
    platform can still withdraw, if a transfer takes fees. new_transfers, new_entries, new_bars: the
    rows that `decide` added, in order.
    """

    marketplace_id: MarketplaceId
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    transfers: dict[TransferId, Transfer] = field(default_factory=dict)
    resolved: dict[TransferId, TransferType] = field(default_factory=dict)
    barred: set[TransferId] = field(default_factory=set)
    earned: dict[str, int] = field(default_factory=dict)
    new_transfers: list[Transfer] = field(default_factory=list)
    new_entries: list[Entry] = field(default_factory=list)
    new_bars: list[Bar] = field(default_factory=list)
    # The figures before each change, while a linked group is decided.
    _undo: list[tuple[Account, int, int, int, int]] | None = None
    _undo_earned: dict[str, int] = field(default_factory=dict)

    def begin(self) -> None:
        """Start to record figures before each change, so that `roll_back` can restore them."""
        self._undo = []
        self._undo_earned = dict(self.earned)

    def commit(self) -> None:
        """Discard the figures recorded since `begin`."""
        self._undo = None

    def roll_back(self, *, transfers: int, entries: int, bars: int) -> None:
        """Restore the figures at `begin`, and cut the lists of new rows to these lengths."""
        for account, credits_, debits, holds, version in reversed(self._undo or []):
            account.credits, account.debits = credits_, debits
            account.holds, account.version = holds, version
        self.earned = self._undo_earned
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
        """Return an account's figures. A new escrow account's are zero.

        None: a house account, or an account that is not open.
        """
        account = self.accounts.get((asset, name))
        if account is None and name.startswith(ESCROW):
            account = self.accounts[asset, name] = Account(asset=asset, name=name)
        return account

    def available(self, asset: str, name: str) -> int | None:
        """Return the amount that may be taken from an account, in minor units; None: no limit."""
        account = self.accounts.get((asset, name))
        if account is not None:
            return account.available
        return self.earned.get(asset, 0) if name == FEES else None

    def add(self, transfer: Transfer) -> None:
        """Add a new transfer."""
        self.transfers[transfer.id] = transfer
        self.new_transfers.append(transfer)
        if transfer.pending_id is not None:
            self.resolved[transfer.pending_id] = transfer.type

    def bar(self, bar: Bar) -> None:
        """Add a tombstone, which refuses a hold for ever."""
        self.barred.add(bar.hold_id)
        self.new_bars.append(bar)

    def move(
        self, transfer: Transfer, name: str, *, credit: int = 0, debit: int = 0, hold: int = 0
    ) -> None:
        """Change an account's figures and add the entry that records the change.

        hold: the amount to reserve; a negative amount becomes available again.
        """
        available_change = credit - debit - hold
        account = self.find(transfer.asset, name)
        if account is None:
            if transfer.asset in self.earned and name == FEES:
                self.earned[transfer.asset] += available_change
            elif transfer.asset in self.earned and name == BORNE:
                # Fees borne reduce the fees that can be withdrawn, and never increase them.
                self.earned[transfer.asset] += min(available_change, 0)
            # A house account has no holds: it gets an entry only when money moves.
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
    """Tell whether an account is a user's or an escrow's: stored figures, never overdrawn."""
    return name.startswith(_LIMITED)
