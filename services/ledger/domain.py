"""The rules of the ledger: the effect of a transfer, its refusals, and its events. Pure.

`decide` answers transfers in the order of arrival and adds the rows to save to the book. `event_of`
makes the event of an entry.
"""

import datetime as dt
from collections.abc import Sequence

from kernel.errors import AlreadyExists, NotFound
from kernel.ids import TransferId, to_public
from kernel.money import USDC, to_text
from services.ledger.book import (
    ESCROW,
    TOTAL_MAX,
    USER,
    Account,
    Balance,
    Bar,
    Book,
    Entry,
    NewTransfer,
    Result,
    Transfer,
    TransferCode,
    TransferStatus,
    TransferType,
    is_limited,
)

# Source: the comment of BalanceCreditedEvent.source. A code that is not listed there gets the
# source that is closest to it.
SOURCES = {
    TransferCode.DEPOSIT: "stellar_deposit",
    TransferCode.RESERVE: "escrow_refund",
    TransferCode.CANCEL: "escrow_refund",
    TransferCode.FUND: "escrow_release",
    TransferCode.RELEASE: "escrow_release",
    TransferCode.REFUND: "escrow_refund",
    TransferCode.DISPUTE_RELEASE: "dispute_resolution",
    TransferCode.DISPUTE_REFUND: "dispute_resolution",
    TransferCode.PROVIDER_FEE: "manual_credit",
    TransferCode.PLATFORM_FEE: "manual_credit",
    TransferCode.FEE_ABSORBED: "escrow_release",
    TransferCode.MANUAL_CREDIT: "manual_credit",
    TransferCode.CORRECTION: "manual_credit",
    TransferCode.SURPLUS: "escrow_release",
    TransferCode.WITHDRAWAL: "manual_credit",
}


class UserNotFound(NotFound):
    """The user has no account in this asset."""

    reason = "USER_NOT_FOUND"


class TransferNotFound(NotFound):
    """The transfer does not exist."""

    reason = "TRANSFER_NOT_FOUND"


class AccountDiffers(AlreadyExists):
    """The account exists with another public id, or the public id belongs to another user."""

    reason = "ACCOUNT_DIFFERS"


def decide(book: Book, *, asked: Sequence[NewTransfer], at: dt.datetime) -> list[Result]:
    """Answer each transfer in order. A linked group is posted as a whole or not at all.

    A refused transfer changes nothing. The rows to save are added to the book's lists.
    """
    results: list[Result] = []
    start = 0
    while start < len(asked):
        end = start
        while asked[end].linked and end + 1 < len(asked):
            end += 1
        if end == start:
            results.append(_decide_one(book, asked[start], at))
        else:
            results += _decide_group(book, asked[start : end + 1], at)
        start = end + 1
    return results


def _decide_group(book: Book, group: Sequence[NewTransfer], at: dt.datetime) -> list[Result]:
    transfers, entries, bars = len(book.new_transfers), len(book.new_entries), len(book.new_bars)
    book.begin()
    results: list[Result] = []
    for asked in group:
        result = _decide_one(book, asked, at)
        results.append(result)
        if result.status == TransferStatus.REFUSED:
            break
    else:
        book.commit()
        return results
    book.roll_back(transfers=transfers, entries=entries, bars=bars)
    culprit = len(results) - 1
    answers: list[Result] = []
    for position, asked in enumerate(group):
        if position == culprit:
            answers.append(results[culprit])
        elif asked.id in book.transfers:  # it existed before the group
            answers.append(_decide_one(book, asked, at))
        else:
            status, reason = TransferStatus.REFUSED, "LINKED_TRANSFER_REFUSED"
            answers.append(Result(asked.id, status, reason, asked.asset))
    return answers


class _RefusedError(Exception):
    """A transfer is refused. Internal to this module."""

    def __init__(self, reason: str, *, available: int | None = None, requested: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.available = available
        self.requested = requested if available is not None else None


def _decide_one(book: Book, asked: NewTransfer, at: dt.datetime) -> Result:
    try:
        known = book.transfers.get(asked.id)
        if known is not None:
            return _repeat(book, asked, known)
        if asked.pending_id is not None:
            hold = book.transfers.get(asked.pending_id)
            if asked.bars and hold is None:
                return _bar(book, asked, asked.pending_id)
            return _resolve(book, asked, hold, at)
        return _move(book, asked, at)
    except _RefusedError as refusal:
        return Result(
            asked.id,
            TransferStatus.REFUSED,
            refusal.reason,
            asked.asset,
            refusal.available,
            refusal.requested,
        )


def _move(book: Book, asked: NewTransfer, at: dt.datetime) -> Result:
    """Decide a SINGLE or a PENDING."""
    if asked.id in book.barred:
        raise _RefusedError("PENDING_ALREADY_VOIDED")
    amount = asked.amount or 0
    if amount <= 0:
        raise _RefusedError("AMOUNT_MUST_BE_POSITIVE")
    if asked.debit == asked.credit:
        raise _RefusedError("SAME_ACCOUNT")
    _open_account(book, asked.asset, asked.debit)
    credit = _open_account(book, asked.asset, asked.credit)
    available = book.available(asked.asset, asked.debit)
    if available is not None and available < amount:
        raise _RefusedError("INSUFFICIENT_FUNDS", available=max(available, 0), requested=amount)
    _check_total(credit, amount)
    transfer = _kept(asked, asked.debit, asked.credit, amount, at)
    book.add(transfer)
    if asked.type == TransferType.PENDING:
        book.move(transfer, asked.debit, hold=amount)
    else:
        book.move(transfer, asked.debit, debit=amount)
        book.move(transfer, asked.credit, credit=amount)
    return _answer(book, transfer, TransferStatus.CREATED)


def _bar(book: Book, asked: NewTransfer, hold_id: TransferId) -> Result:
    """Leave a tombstone: a hold that does not exist is refused for ever.

    The hold's account is locked, as it would be for the hold itself.
    """
    _open_account(book, asked.asset, asked.debit)
    status = TransferStatus.EXISTS
    if hold_id not in book.barred:
        book.bar(Bar(hold_id, asked.order_id, asked.reason))
        status = TransferStatus.CREATED
    debited = _balance(book, asked.asset, asked.debit)
    return Result(asked.id, status, asset=asked.asset, debited=debited)


def _resolve(book: Book, asked: NewTransfer, hold: Transfer | None, at: dt.datetime) -> Result:
    """Decide a POST or a VOID of a hold. The part that is not posted becomes available again."""
    if hold is None or hold.type != TransferType.PENDING:
        raise _RefusedError("PENDING_NOT_FOUND")
    if (how := book.resolved.get(hold.id)) is not None:
        word = "POSTED" if how == TransferType.POST else "VOIDED"
        raise _RefusedError(f"PENDING_ALREADY_{word}")
    if asked.amount is not None and asked.asset != hold.asset:
        raise _RefusedError("ASSET_MISMATCH")
    _require_meant(asked, hold)
    amount = hold.amount if asked.amount is None else asked.amount
    if amount <= 0:
        raise _RefusedError("AMOUNT_MUST_BE_POSITIVE")
    if amount > hold.amount:
        raise _RefusedError("AMOUNT_EXCEEDS_PENDING")
    posted = amount if asked.type == TransferType.POST else 0
    _check_total(book.find(hold.asset, hold.credit), posted)
    transfer = _kept(asked._replace(asset=hold.asset), hold.debit, hold.credit, amount, at)
    book.add(transfer)
    if posted:
        book.move(transfer, hold.debit, debit=posted, hold=-posted)
    if rest := hold.amount - posted:
        book.move(transfer, hold.debit, hold=-rest)
    if posted:
        book.move(transfer, hold.credit, credit=posted)
    return _answer(book, transfer, TransferStatus.CREATED)


def _repeat(book: Book, asked: NewTransfer, known: Transfer) -> Result:
    """Answer a known id: EXISTS with the current balances, or REFUSED if the transfer differs."""
    debit, credit, asset, amount = asked.debit, asked.credit, asked.asset, asked.amount
    hold = book.transfers.get(asked.pending_id) if asked.pending_id is not None else None
    if hold is not None:
        _require_meant(asked, hold)
        debit, credit = hold.debit, hold.credit
        if amount is None:
            asset, amount = hold.asset, hold.amount
    same = _kept(asked._replace(asset=asset), debit, credit, amount or 0, known.at)
    if same != known:
        raise _RefusedError("TRANSFER_DIFFERS")
    return _answer(book, known, TransferStatus.EXISTS)


def _require_meant(asked: NewTransfer, hold: Transfer) -> None:
    """Check that a VOID with `bars` names the accounts and the amount of its hold."""
    meant = (asked.debit, asked.credit, asked.amount)
    if asked.bars and meant != (hold.debit, hold.credit, hold.amount):
        raise _RefusedError("TRANSFER_DIFFERS")


def _kept(asked: NewTransfer, debit: str, credit: str, amount: int, at: dt.datetime) -> Transfer:
    return Transfer(
        asked.id,
        asked.type,
        asked.code,
        debit,
        credit,
        asked.asset,
        amount,
        asked.pending_id,
        asked.order_id,
        asked.transaction_hash,
        asked.reason,
        at,
    )


def _open_account(book: Book, asset: str, name: str) -> Account | None:
    """Return an account's figures; None: a house account. Refuse an account that is not open."""
    account = book.find(asset, name)
    if account is None and is_limited(name):
        raise _RefusedError("ACCOUNT_NOT_FOUND")
    return account


def _check_total(account: Account | None, amount: int) -> None:
    if amount > TOTAL_MAX - (0 if account is None else account.credits):
        raise _RefusedError("AMOUNT_TOO_LARGE")


def _answer(book: Book, transfer: Transfer, status: TransferStatus) -> Result:
    return Result(
        transfer.id,
        status,
        asset=transfer.asset,
        debited=_balance(book, transfer.asset, transfer.debit),
        credited=_balance(book, transfer.asset, transfer.credit),
    )


def _balance(book: Book, asset: str, name: str) -> Balance | None:
    if not name.startswith(USER) or (asset, name) not in book.accounts:
        return None
    return balance(book, asset, name)


def balance(book: Book, asset: str, name: str) -> Balance:
    """Return the balance of a user's account in the book."""
    account = book.accounts[asset, name]
    return Balance(name[len(USER) :], account.public_id, asset, account.available, account.holds)


def event_of(entry: Entry) -> tuple[str, dict[str, object]]:
    """Return the type and payload of the event for a line of a user's statement.

    Source: reference §5 and ledger/v1/events.proto.
    """
    transfer = entry.transfer
    payload: dict[str, object] = {"userId": entry.public_id}
    available, reserved = entry.available_change, entry.reserved_change
    if reserved > 0:
        event_type = "balance.reserved"
        payload["amount"] = to_text(reserved)
        payload["reservedBalance"] = to_text(entry.reserved_after or 0)
    elif available > 0 and reserved < 0:
        event_type = "balance.released"
        payload["amount"] = to_text(available)
        payload["reason"] = transfer.reason or transfer.code.name.lower()
    elif available > 0:
        event_type = "balance.credited"
        payload["amount"] = to_text(available)
        payload["source"] = SOURCES[transfer.code]
        payload["newBalance"] = to_text(entry.available_after or 0)
        if transfer.transaction_hash:
            payload["transactionHash"] = transfer.transaction_hash
    else:
        event_type = "balance.debited"
        payload["amount"] = to_text(-available - reserved)
        payload["destination"] = _destination(transfer)
        payload["newBalance"] = to_text(entry.available_after or 0)
    if transfer.order_id is not None:
        payload["orderId"] = to_public("ord", transfer.order_id)
    return event_type, payload


def _destination(transfer: Transfer) -> str:
    """Return where a user's money went. Source: the comment of BalanceDebitedEvent."""
    if transfer.code is TransferCode.WITHDRAWAL:
        return "withdrawal"
    return "escrow" if transfer.credit.startswith(ESCROW) else transfer.credit


def aggregate_id(*, public_id: str, asset: str) -> str:
    """Return a balance's id in events: the user's public id, with the asset unless it is USDC."""
    return public_id if asset == USDC else f"{public_id}:{asset}"
