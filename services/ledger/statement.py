"""A user's statement: its lines, and their grouping into payments. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.book import Transfer, TransferCode

# The most lines that one payment has for one user.
PAYMENT_LINES_MAX = 4
_PAYOUTS = frozenset(
    {
        TransferCode.RELEASE,
        TransferCode.REFUND,
        TransferCode.DISPUTE_RELEASE,
        TransferCode.DISPUTE_REFUND,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a user's statement; amounts in minor units; changes have a sign."""

    version: int
    transfer: Transfer
    available_change: int
    reserved_change: int
    available_after: int
    reserved_after: int


def payments(lines: Sequence[Line]) -> list[list[Line]]:
    """Group consecutive lines that are one payment, in the same order.

    A payout and the transfer that reimburses its fee have the same order and code.
    """
    found: list[list[Line]] = []
    for line in lines:
        if found and _is_same_payment(found[-1][-1].transfer, line.transfer):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _is_same_payment(one: Transfer, other: Transfer) -> bool:
    return (
        one.code in _PAYOUTS
        and one.order_id is not None
        and (one.order_id, one.code) == (other.order_id, other.code)
    )
