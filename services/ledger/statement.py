"""A user's statement: its lines, and which of them are one payment. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.ledger.book import Transfer, TransferCode

# More lines of one user than any payment has.
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
    """A line of a user's statement; amounts in minor units, changes signed."""

    version: int
    transfer: Transfer
    available_change: int
    reserved_change: int
    available_after: int
    reserved_after: int


def payments(lines: Sequence[Line]) -> list[list[Line]]:
    """Put lines that follow each other and are one payment together; the order stays.

    A payout and what makes its fee good are transfers of one order, for one reason, posted at once.
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
