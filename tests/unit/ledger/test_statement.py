"""A statement: which consecutive lines are one payment."""

import uuid

import pytest

from kernel.ids import OrderId, TransferId
from services.ledger.book import Transfer, TransferCode, TransferType
from services.ledger.statement import Line, payments
from tests.unit.ledger.asking import ANN, AT

ORDER, OTHER_ORDER = OrderId(uuid.UUID(int=1)), OrderId(uuid.UUID(int=2))


def line(version: int, code: TransferCode, order_id: OrderId | None = ORDER) -> Line:
    transfer = Transfer(
        id=TransferId(uuid.UUID(int=version)),
        type=TransferType.SINGLE,
        code=code,
        debit="external:stellar",
        credit=ANN,
        asset="USDC",
        amount=100,
        pending_id=None,
        order_id=order_id,
        transaction_hash="",
        reason="",
        at=AT,
    )
    return Line(
        version=version,
        transfer=transfer,
        available_change=100,
        reserved_change=0,
        available_after=100 * version,
        reserved_after=0,
    )


def versions(*lines: Line) -> list[list[int]]:
    return [[one.version for one in payment] for payment in payments(lines)]


def test_payout_and_its_reimbursement_are_one_payment() -> None:
    release = TransferCode.RELEASE

    assert versions(line(3, release), line(2, release), line(1, TransferCode.DEPOSIT)) == [
        [3, 2],
        [1],
    ]


@pytest.mark.parametrize("code", [TransferCode.DEPOSIT, TransferCode.MANUAL_CREDIT])
def test_each_other_transfer_is_a_separate_payment(code: TransferCode) -> None:
    assert versions(line(2, code), line(1, code)) == [[2], [1]]


def test_payouts_of_two_orders_or_of_no_order_are_two_payments() -> None:
    release = TransferCode.RELEASE

    assert versions(line(2, release), line(1, release, OTHER_ORDER)) == [[2], [1]]
    assert versions(line(2, release, None), line(1, release, None)) == [[2], [1]]
    assert versions(line(2, release), line(1, TransferCode.REFUND)) == [[2], [1]]
