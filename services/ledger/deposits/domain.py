"""The rules of deposits: which account gets a deposit, and the transfers that book it. Pure."""

import datetime as dt
import uuid
from dataclasses import dataclass

from kernel.ids import MarketplaceId, TransferId, UserId, derived_id
from services.ledger.book import USER, NewTransfer, Transfer, TransferCode, TransferType
from services.ledger.domain import UserNotFound

OUTSIDE = "external:stellar"
SUSPENSE = "suspense"
# How long a deposit waits until its user's account is open. After that, it goes to suspense.
ACCOUNT_PATIENCE = dt.timedelta(seconds=60)


class DepositNotBooked(Exception):
    """A deposit cannot be booked now; it must be delivered again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Money that arrived from outside. amount: minor units. user_id: the owner of the wallet.

    user_id is None if the wallet belongs to no user. event_id, at: of the event that reports the
    deposit. memo: the sender's note, unchanged.
    """

    id: TransferId
    event_id: uuid.UUID
    at: dt.datetime
    marketplace_id: MarketplaceId
    user_id: UserId | None
    asset: str
    amount: int
    transaction_hash: str
    memo: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A deposit in suspense. user_id: the owner of the wallet that it reached.

    number: its position in lists.
    """

    number: int
    transfer: Transfer
    user_id: UserId | None
    memo: str
    credited_by: TransferId | None


def account_for(deposit: Deposit, *, is_open: bool, is_late: bool) -> str:
    """Return the account that gets a deposit.

    The wallet decides whose money it is. A memo does not, because exchanges always add one.
    is_open: whether the user has an account. is_late: whether ACCOUNT_PATIENCE is over.
    Raises: DepositNotBooked: the user's account may still be opened.
    """
    if deposit.user_id is None:
        return SUSPENSE
    if is_open:
        return f"{USER}{deposit.user_id}"
    if not is_late:
        raise DepositNotBooked(f"{deposit.id}: the user's account is not open yet")
    return SUSPENSE


def booking(deposit: Deposit, *, account: str) -> NewTransfer:
    """Return the transfer that books a deposit to an account."""
    return _deposit(
        deposit.id,
        debit=OUTSIDE,
        credit=account,
        asset=deposit.asset,
        amount=deposit.amount,
        transaction_hash=deposit.transaction_hash,
    )


def credit_from_suspense(found: Suspended, *, reason: str) -> NewTransfer:
    """Return the transfer that credits a deposit in suspense to the user whose wallet it reached.

    Raises: UserNotFound: the deposit reached no user's wallet.
    """
    if found.user_id is None:
        raise UserNotFound("The deposit reached no user's wallet")
    return _deposit(
        TransferId(derived_id(found.transfer.id, "suspense")),
        debit=SUSPENSE,
        credit=f"{USER}{found.user_id}",
        asset=found.transfer.asset,
        amount=found.transfer.amount,
        transaction_hash=found.transfer.transaction_hash,
        reason=reason,
    )


def _deposit(
    transfer_id: TransferId,
    *,
    debit: str,
    credit: str,
    asset: str,
    amount: int,
    transaction_hash: str,
    reason: str = "",
) -> NewTransfer:
    return NewTransfer(
        id=transfer_id,
        type=TransferType.SINGLE,
        code=TransferCode.DEPOSIT,
        debit=debit,
        credit=credit,
        asset=asset,
        amount=amount,
        pending_id=None,
        linked=False,
        order_id=None,
        transaction_hash=transaction_hash,
        reason=reason,
    )
