"""The ledger's messages: decoding requests and encoding answers."""

import datetime as dt
import enum
import uuid
from typing import Any

import pytest
from orchestrator.ledger.v1 import ledger_pb2

from kernel.errors import InvalidArgument
from kernel.ids import OrderId, TransferId
from services.ledger import wire
from services.ledger.book import (
    Balance,
    Result,
    Transfer,
    TransferCode,
    TransferStatus,
    TransferType,
)
from services.ledger.statement import Line

ID = TransferId(uuid.UUID(int=5))


@pytest.mark.parametrize(
    ("members", "descriptor", "prefix"),
    [
        (TransferType, ledger_pb2.TransferType.DESCRIPTOR, "TRANSFER_TYPE_"),
        (TransferCode, ledger_pb2.TransferCode.DESCRIPTOR, "TRANSFER_CODE_"),
        (TransferStatus, ledger_pb2.TransferStatus.DESCRIPTOR, "TRANSFER_STATUS_"),
    ],
)
def test_enums_of_the_ledger_match_the_contract(
    members: type[enum.IntEnum], descriptor: Any, prefix: str
) -> None:
    ours = {prefix + name: int(member) for name, member in members.__members__.items()}

    theirs = {value.name: value.number for value in descriptor.values if value.number}

    assert ours == theirs


def test_an_upper_case_id_is_the_same_id() -> None:
    request = ledger_pb2.PostTransfersRequest()
    request.transfers.add(
        id=str(ID).upper(), type=1, code=1, debit_account="suspense", credit_account="manual"
    )

    [decoded] = wire.new_transfers(request)

    assert decoded.id == ID
    assert (decoded.amount, decoded.asset) == (None, "")


def test_every_invalid_field_is_named_in_one_refusal() -> None:
    request = ledger_pb2.PostTransfersRequest()
    request.transfers.add(id=str(ID), type=3, code=4, debit_account="manual")
    request.transfers.add(id=str(ID), type=1, code=1, linked=True, pending_id=str(ID))

    with pytest.raises(InvalidArgument) as caught:
        wire.new_transfers(request)

    assert [name for name, _ in caught.value.fields] == [
        "transfers[0].pending_id",
        "transfers[0].debit_account",
        "transfers[1].debit_account",
        "transfers[1].credit_account",
        "transfers[1].pending_id",
        "transfers[1].linked",
    ]


def test_a_void_that_bars_names_the_whole_hold() -> None:
    request = ledger_pb2.PostTransfersRequest()
    request.transfers.add(id=str(ID), type=4, code=3, pending_id=str(ID), bars=True)
    request.transfers.add(
        id=str(ID), type=3, code=4, pending_id=str(ID), bars=True, debit_account="manual"
    )

    with pytest.raises(InvalidArgument) as caught:
        wire.new_transfers(request)

    assert [name for name, _ in caught.value.fields] == ["transfers[0].amount", "transfers[1].bars"]


def test_unknown_types_and_codes_are_refused() -> None:
    request = ledger_pb2.PostTransfersRequest()
    request.transfers.add(id=str(ID), debit_account="manual", credit_account="suspense")

    with pytest.raises(InvalidArgument) as caught:
        wire.new_transfers(request)

    assert {name for name, _ in caught.value.fields} == {"transfers[0].type", "transfers[0].code"}


def test_results_are_encoded_in_the_order_of_the_request() -> None:
    after = Balance(str(uuid.UUID(int=9)), "usr_ann", "USDC", 70, 30)
    short = Result(ID, TransferStatus.REFUSED, "INSUFFICIENT_FUNDS", "USDC", 0, 7)
    made = Result(ID, TransferStatus.CREATED, asset="USDC", debited=after)

    encoded = wire.posted([short, made])

    first, second = encoded.results
    assert first.HasField("available")
    assert (first.reason, first.requested.minor_units) == ("INSUFFICIENT_FUNDS", 7)
    assert not first.HasField("debited")
    assert (second.debited.available.minor_units, second.debited.reserved.minor_units) == (70, 30)
    assert not second.HasField("credited")
    assert encoded.SerializeToString() == wire.posted_bytes([short, made])


def test_a_service_cannot_post_a_correction() -> None:
    request = ledger_pb2.PostTransfersRequest()
    code = ledger_pb2.TRANSFER_CODE_CORRECTION
    request.transfers.add(
        id=str(ID), type=1, code=code, debit_account="suspense", credit_account="manual"
    )

    with pytest.raises(InvalidArgument) as refusal:
        wire.new_transfers(request)

    assert [name for name, _ in refusal.value.fields] == ["transfers[0].code"]


def lines(*what: tuple[int, TransferCode, int | None]) -> list[Line]:
    """Make lines of a statement, newest first. what: version, code, number of the order."""
    return [
        Line(
            version=version,
            transfer=Transfer(
                id=TransferId(uuid.UUID(int=version)),
                type=TransferType.SINGLE,
                code=code,
                debit="a",
                credit="b",
                asset="USDC",
                amount=1,
                pending_id=None,
                order_id=None if order is None else OrderId(uuid.UUID(int=order)),
                transaction_hash="",
                reason="",
                at=dt.datetime(2026, 2, 18, tzinfo=dt.UTC),
            ),
            available_change=1,
            reserved_change=0,
            available_after=version,
            reserved_after=0,
        )
        for version, code, order in what
    ]


RELEASE, DEPOSIT, CORRECTION = (
    TransferCode.RELEASE,
    TransferCode.DEPOSIT,
    TransferCode.CORRECTION,
)


def paged(found: list[Line], *, size: int) -> tuple[list[tuple[int, int]], bool]:
    """Return a page's lines as (transfer, payment), and whether there is a next page."""
    page = wire.entries(found, size=size)
    numbers = [(uuid.UUID(e.transfer_id).int, uuid.UUID(e.payment_id).int) for e in page.entries]
    return numbers, bool(page.next_page_token)


def test_payout_and_its_reimbursement_are_listed_as_one_payment() -> None:
    found = lines((4, RELEASE, 1), (3, RELEASE, 1), (2, RELEASE, 2), (1, DEPOSIT, None))

    assert paged(found, size=20) == ([(4, 3), (3, 3), (2, 2), (1, 1)], False)


def test_page_never_divides_a_payment() -> None:
    found = lines((3, RELEASE, 1), (2, RELEASE, 1), (1, DEPOSIT, None))

    assert paged(found, size=1) == ([(3, 2), (2, 2)], True)
    assert paged(found[:2], size=1) == ([(3, 2), (2, 2)], False)


@pytest.mark.parametrize("code", [DEPOSIT, CORRECTION], ids=["deposits", "corrections"])
def test_two_transfers_of_one_code_are_two_payments(code: TransferCode) -> None:
    assert paged(lines((2, code, 1), (1, code, 1)), size=20) == ([(2, 2), (1, 1)], False)
    assert paged(lines((2, RELEASE, None), (1, RELEASE, None)), size=1) == ([(2, 2)], True)
