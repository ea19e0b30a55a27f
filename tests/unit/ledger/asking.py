"""Transfers for tests, and a ledger in memory that loads and saves a book like the store."""

import copy
import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.ids import MarketplaceId, OrderId, TransferId
from services.ledger.book import (
    BORNE,
    FEES,
    Account,
    Book,
    Entry,
    NewTransfer,
    Result,
    Transfer,
    TransferCode,
    TransferType,
)
from services.ledger.domain import decide

AT = dt.datetime(2026, 2, 18, 10, 0, tzinfo=dt.UTC)
WORLD = "external:stellar"
MARKETPLACE = MarketplaceId(uuid.UUID(int=1))
# "usr_ann" and so on are their public ids.
ANN, BOB, EVE = (f"user:{uuid.UUID(int=number)}" for number in (11, 12, 13))
NAMES = {ANN: "usr_ann", BOB: "usr_bob", EVE: "usr_eve"}


def transfer_id(number: int) -> TransferId:
    return TransferId(uuid.UUID(int=1000 + number))


def escrow(number: int) -> str:
    return f"escrow:{uuid.UUID(int=number)}"


def single(
    number: int, debit: str, credit: str, amount: int, *, linked: bool = False
) -> NewTransfer:
    code = TransferCode.DEPOSIT if debit == WORLD else TransferCode.RELEASE
    return _asked(number, TransferType.SINGLE, code, debit, credit, amount, linked=linked)


def pending(
    number: int, debit: str, credit: str, amount: int, *, linked: bool = False
) -> NewTransfer:
    kind, code = TransferType.PENDING, TransferCode.RESERVE
    return _asked(number, kind, code, debit, credit, amount, linked=linked)


def post(number: int, hold: int, amount: int | None = None, *, linked: bool = False) -> NewTransfer:
    kind, code = TransferType.POST, TransferCode.FUND
    return _asked(number, kind, code, "", "", amount, hold=hold, linked=linked)


def void(number: int, hold: int, *, linked: bool = False) -> NewTransfer:
    kind, code = TransferType.VOID, TransferCode.CANCEL
    return _asked(number, kind, code, "", "", None, hold=hold, linked=linked)


def bar(number: int, hold: int, debit: str, credit: str, amount: int) -> NewTransfer:
    """Ask to void a hold, or to bar it if it does not exist."""
    kind, code = TransferType.VOID, TransferCode.CANCEL
    asked = _asked(number, kind, code, debit, credit, amount, hold=hold)
    return asked._replace(bars=True)


def _asked(
    number: int,
    kind: TransferType,
    code: TransferCode,
    debit: str,
    credit: str,
    amount: int | None,
    *,
    hold: int | None = None,
    linked: bool = False,
) -> NewTransfer:
    return NewTransfer(
        id=transfer_id(number),
        type=kind,
        code=code,
        debit=debit,
        credit=credit,
        asset="" if amount is None else "USDC",
        amount=amount,
        pending_id=None if hold is None else transfer_id(hold),
        linked=linked,
        order_id=OrderId(uuid.UUID(int=77)),
        transaction_hash="",
        reason="",
    )


@dataclass(slots=True)
class Ledger:
    """A ledger in memory: every call is one batch, loaded and saved like the store's."""

    accounts: dict[str, Account] = field(default_factory=dict)
    transfers: dict[TransferId, Transfer] = field(default_factory=dict)
    resolved: dict[TransferId, TransferType] = field(default_factory=dict)
    barred: set[TransferId] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)

    def open(self, *names: str) -> None:
        for name in names:
            self.accounts[name] = Account(
                asset="USDC", name=name, public_id=NAMES[name], stored_version=0
            )

    def ask(self, *asked: NewTransfer) -> list[Result]:
        book = self._book(asked)
        results = decide(book, asked=asked, at=AT)
        for new in book.new_transfers:
            self.transfers[new.id] = new
            if new.pending_id is not None:
                assert new.pending_id not in self.resolved
                self.resolved[new.pending_id] = new.type
        self.entries += book.new_entries
        for one in book.new_bars:
            assert one.hold_id not in self.barred
            self.barred.add(one.hold_id)
        named = {name for new in book.new_transfers for name in (new.debit, new.credit)}
        for (_, name), account in book.accounts.items():
            is_stored = account.stored_version is not None
            assert is_stored or name in named or account.version == 0
            if is_stored or name in named:
                account.stored_version = account.version
                self.accounts[name] = account
        return results

    def ask_one(self, asked: NewTransfer) -> Result:
        [result] = self.ask(asked)
        return result

    def available(self, name: str) -> int:
        return self.accounts[name].available

    def reserved(self, name: str) -> int:
        return self.accounts[name].holds

    def earned(self) -> int:
        """Return what the platform can take of its fees."""
        own = sum(one.available_change for one in self.entries if one.account == FEES)
        borne = sum(one.available_change for one in self.entries if one.account == BORNE)
        return (
            own
            + min(borne, 0)
            - sum(
                one.amount
                for one in self.transfers.values()
                if one.type is TransferType.PENDING
                and one.debit == FEES
                and one.id not in self.resolved
            )
        )

    def _book(self, asked: Sequence[NewTransfer]) -> Book:
        wanted = {one.id for one in asked} | {one.pending_id for one in asked if one.pending_id}
        known = {key: self.transfers[key] for key in wanted if key in self.transfers}
        names = {name for one in asked for name in (one.debit, one.credit)}
        names |= {name for one in known.values() for name in (one.debit, one.credit)}
        earned = {}
        if any(one.debit == FEES for one in asked):
            earned["USDC"] = self.earned()
        return Book(
            marketplace_id=MARKETPLACE,
            earned=earned,
            accounts={
                ("USDC", name): copy.copy(self.accounts[name])
                for name in names
                if name in self.accounts
            },
            transfers=known,
            resolved={key: how for key, how in self.resolved.items() if key in wanted},
            barred=self.barred & wanted,
        )
