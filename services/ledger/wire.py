"""Translate between Protobuf and the domain of the ledger. UNSPECIFIED is refused here."""

import uuid
from collections.abc import Sequence
from typing import cast

from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2

from chassis.wire import instant_to_proto, page_token
from kernel.errors import InvalidArgument
from kernel.ids import OrderId, TransferId, UserId
from services.ledger.batch import Checked
from services.ledger.book import (
    PLATFORM,
    Balance,
    HouseAccount,
    Invariant,
    NewTransfer,
    PlatformMoney,
    Result,
    Transfer,
    TransferCode,
    TransferStatus,
    TransferType,
)
from services.ledger.statement import Line, payments

_TYPES = {int(member): member for member in TransferType}
_CODES = {int(member): member for member in TransferCode}
# The generated stubs type a value as its enum; at run time it is a number.
_TYPE_OUT = {
    member: cast("ledger_pb2.TransferType", ledger_pb2.TransferType.Value(f"TRANSFER_TYPE_{name}"))
    for name, member in TransferType.__members__.items()
}
_CODE_OUT = {
    member: cast("ledger_pb2.TransferCode", ledger_pb2.TransferCode.Value(f"TRANSFER_CODE_{name}"))
    for name, member in TransferCode.__members__.items()
}
_STATUS_OUT = {
    member: cast(
        "ledger_pb2.TransferStatus", ledger_pb2.TransferStatus.Value(f"TRANSFER_STATUS_{name}")
    )
    for name, member in TransferStatus.__members__.items()
}
_RESOLVING = (TransferType.POST, TransferType.VOID)


def user_id(text: str) -> UserId:
    """Decode a user's id; the contract has checked its spelling."""
    return UserId(uuid.UUID(text))


def order_id(text: str) -> OrderId:
    """Decode an order's id; the contract has checked its spelling."""
    return OrderId(uuid.UUID(text))


def transfer_id(text: str) -> TransferId:
    """Decode a transfer's id; the contract has checked its spelling."""
    return TransferId(uuid.UUID(text))


def new_transfers(
    request: ledger_pb2.PostTransfersRequest | ledger_pb2.CheckTransfersRequest,
) -> list[NewTransfer]:
    """Decode the requested transfers; the contract has checked the spelling of each field.

    Raises: InvalidArgument: a field is missing, or does not fit the type of its transfer.
    """
    found: list[tuple[str, str]] = []
    decoded = []
    for position, message in enumerate(request.transfers):
        if wrong := _misfits(message):
            found += [(f"transfers[{position}].{name}", what) for name, what in wrong]
        else:
            has_amount = message.HasField("amount")
            decoded.append(
                NewTransfer(
                    id=transfer_id(message.id),
                    type=_TYPES[message.type],
                    code=_CODES[message.code],
                    debit=message.debit_account,
                    credit=message.credit_account,
                    asset=message.amount.asset if has_amount else "",
                    amount=message.amount.minor_units if has_amount else None,
                    pending_id=transfer_id(message.pending_id) if message.pending_id else None,
                    linked=message.linked,
                    order_id=order_id(message.order_id) if message.order_id else None,
                    transaction_hash=message.transaction_hash,
                    reason=message.reason,
                    bars=message.bars,
                )
            )
    if request.transfers and request.transfers[-1].linked:
        name = f"transfers[{len(request.transfers) - 1}].linked"
        found.append((name, "there is no next transfer to link with"))
    if found:
        names = ", ".join(name for name, _ in found)
        raise InvalidArgument(f"Invalid field: {names}", fields=found)
    return decoded


def _misfits(message: ledger_pb2.NewTransfer) -> list[tuple[str, str]]:
    """List the fields that do not fit the type of their transfer."""
    kind = _TYPES.get(message.type)
    resolving = kind in _RESOLVING
    accounts, hold = ["debit_account", "credit_account"], ["pending_id"]
    needed, foreign = (hold, accounts) if resolving else (accounts, hold)
    if message.bars:
        needed, foreign = [*hold, *accounts], []
        if kind is not TransferType.VOID:
            return [("bars", "is not for this type of transfer")]
        if not message.HasField("amount"):
            return [("amount", "is required")]
    wrong = [(name, "is required") for name in needed if not getattr(message, name)]
    wrong += [
        (name, "is not for this type of transfer") for name in foreign if getattr(message, name)
    ]
    if kind is None:
        wrong.append(("type", "is unknown"))
    if message.code == ledger_pb2.TRANSFER_CODE_CORRECTION:
        wrong.append(("code", "is reserved for corrections"))
    if message.code not in _CODES:
        wrong.append(("code", "is unknown"))
    if kind is TransferType.VOID and message.HasField("amount") and not message.bars:
        wrong.append(("amount", "is not for this type of transfer"))
    return wrong


def posted(results: Sequence[Result]) -> ledger_pb2.PostTransfersResponse:
    """Encode the answers, in the order of the request."""
    response = ledger_pb2.PostTransfersResponse()
    for result in results:
        message = response.results.add()
        message.id = str(result.id)
        message.status = _STATUS_OUT[result.status]
        if result.status is TransferStatus.REFUSED:
            message.reason = result.reason
            if result.available is not None and result.requested is not None:
                _fill_money(message.available, result.asset, result.available)
                _fill_money(message.requested, result.asset, result.requested)
        if result.debited is not None:
            _fill_account(message.debited, result.debited)
        if result.credited is not None:
            _fill_account(message.credited, result.credited)
    return response


def checked(found: Checked) -> ledger_pb2.CheckTransfersResponse:
    """Encode the answers that transfers would get."""
    return ledger_pb2.CheckTransfersResponse(
        results=posted(found.results).results,
        before=[account(one) for one in found.before],
        after=[account(one) for one in found.after],
    )


def posted_bytes(results: Sequence[Result]) -> bytes:
    """Encode the answers as the bytes that are stored."""
    return posted(results).SerializeToString()


def account(balance: Balance) -> ledger_pb2.Account:
    """Encode a user's account."""
    message = ledger_pb2.Account()
    _fill_account(message, balance)
    return message


def account_bytes(balance: Balance) -> bytes:
    """Encode a user's account as the bytes that are stored."""
    return account(balance).SerializeToString()


def entries(lines: Sequence[Line], *, size: int) -> ledger_pb2.ListEntriesResponse:
    """Encode a page of a statement: `size` lines, and the rest of its last payment."""
    page: list[Line] = []
    response = ledger_pb2.ListEntriesResponse()
    for payment in payments(lines):
        if len(page) >= size:
            response.next_page_token = page_token(page[-1].version)
            break
        page += payment
        for line in payment:
            transfer_ = line.transfer
            message = response.entries.add(
                transfer_id=str(transfer_.id),
                code=_CODE_OUT[transfer_.code],
                type=_TYPE_OUT[transfer_.type],
                order_id=_text(transfer_.order_id),
                available_change=line.available_change,
                reserved_change=line.reserved_change,
                transaction_hash=transfer_.transaction_hash,
                reason=transfer_.reason,
                at=instant_to_proto(transfer_.at),
                payment_id=str(payment[-1].transfer.id),
            )
            _fill_money(message.available_after, transfer_.asset, line.available_after)
            _fill_money(message.reserved_after, transfer_.asset, line.reserved_after)
    return response


def transfer(found: Transfer) -> ledger_pb2.Transfer:
    """Encode a stored transfer."""
    return ledger_pb2.Transfer(
        id=str(found.id),
        type=_TYPE_OUT[found.type],
        code=_CODE_OUT[found.code],
        debit_account=found.debit,
        credit_account=found.credit,
        amount=common_pb2.Money(asset=found.asset, minor_units=found.amount),
        pending_id=_text(found.pending_id),
        order_id=_text(found.order_id),
        transaction_hash=found.transaction_hash,
        reason=found.reason,
        at=instant_to_proto(found.at),
    )


def accounts(found: Sequence[HouseAccount], *, size: int) -> ledger_pb2.ListAccountsResponse:
    """Encode a page of accounts. found: more than `size`: there is another page."""
    page = found[:size]
    return ledger_pb2.ListAccountsResponse(
        accounts=[
            ledger_pb2.AccountBalance(account=one.name, asset=one.asset, balance=one.balance)
            for one in page
        ],
        next_page_token=page_token(page[-1].number) if len(found) > size else "",
    )


def open_holds(
    found: Sequence[tuple[int, Transfer]], *, size: int
) -> ledger_pb2.ListOpenHoldsResponse:
    """Encode a page of holds. found: more than `size`: there is another page."""
    page = found[:size]
    return ledger_pb2.ListOpenHoldsResponse(
        holds=[transfer(one) for _, one in page],
        next_page_token=page_token(page[-1][0]) if len(found) > size else "",
    )


def platform_balance(found: PlatformMoney) -> ledger_pb2.PlatformBalance:
    """Encode the platform's own money."""
    message = ledger_pb2.PlatformBalance()
    for name in (
        "earned",
        "borne",
        "withdrawn",
        "available",
        "reserved",
        "credited",
        "suspense",
    ):
        _fill_money(getattr(message, name), found.asset, getattr(found, name))
    return message


def platform_entries(
    found: Sequence[tuple[int, Transfer]], *, size: int
) -> ledger_pb2.ListPlatformEntriesResponse:
    """Encode a page of transfers, with one entry for each platform account that they change."""
    page = found[:size]
    return ledger_pb2.ListPlatformEntriesResponse(
        entries=[
            ledger_pb2.PlatformEntry(transfer=transfer(one), account=account, change=change)
            for _, one in page
            for account, change in ((one.debit, -one.amount), (one.credit, one.amount))
            if account in PLATFORM
        ],
        next_page_token=page_token(page[-1][0]) if len(found) > size else "",
    )


def invariants(found: Sequence[Invariant]) -> ledger_pb2.CheckInvariantsResponse:
    """Encode the invariants."""
    return ledger_pb2.CheckInvariantsResponse(
        results=[
            ledger_pb2.InvariantResult(name=one.name, holds=one.holds, details=one.details)
            for one in found
        ]
    )


def _fill_account(message: ledger_pb2.Account, balance: Balance) -> None:
    message.user_id = balance.user_id
    message.public_id = balance.public_id
    _fill_money(message.available, balance.asset, balance.available)
    _fill_money(message.reserved, balance.asset, balance.reserved)


def _fill_money(message: common_pb2.Money, asset: str, minor_units: int) -> None:
    message.asset = asset
    message.minor_units = minor_units


def _text(value: uuid.UUID | None) -> str:
    return "" if value is None else str(value)
