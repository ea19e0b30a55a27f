"""Deposits: how their events are read, which account gets them, which transfers book them."""

import datetime as dt
import uuid
from typing import Any

import orjson
import pytest

from kernel.ids import MarketplaceId, TransferId, UserId
from services.ledger.book import Transfer, TransferCode, TransferType
from services.ledger.deposits import domain, wire
from services.ledger.deposits.domain import Deposit, DepositNotBooked, Suspended
from services.ledger.domain import UserNotFound
from tests.unit.ledger.asking import ANN, AT

ID = TransferId(uuid.UUID(int=5))
ANNS_ID = UserId(uuid.UUID(ANN.removeprefix("user:")))


def event(**changes: Any) -> dict[str, Any]:
    payload = {"depositId": str(ID), "asset": "USDC", "minorUnits": "7", "userUuid": str(ID)}
    return {
        "eventId": "evt_0000000000000000000001",
        "occurredAt": "2026-02-18T10:00:00.000Z",
        "payload": payload,
        "metadata": {"marketplaceId": str(ID)},
    } | changes


def deposit(user_id: UserId | None = ANNS_ID, memo: str = "") -> Deposit:
    return Deposit(
        id=ID,
        event_id=uuid.UUID(int=6),
        at=AT,
        marketplace_id=MarketplaceId(uuid.UUID(int=1)),
        user_id=user_id,
        asset="USDC",
        amount=700,
        transaction_hash="ab" * 32,
        memo=memo,
    )


def suspended(user_id: UserId | None = ANNS_ID) -> Suspended:
    transfer = Transfer(
        id=ID,
        type=TransferType.SINGLE,
        code=TransferCode.DEPOSIT,
        debit="external:stellar",
        credit="suspense",
        asset="USDC",
        amount=700,
        pending_id=None,
        order_id=None,
        transaction_hash="ab" * 32,
        reason="",
        at=AT,
    )
    return Suspended(number=1, transfer=transfer, user_id=user_id, memo="7", credited_by=None)


def test_a_deposit_is_read_from_its_event() -> None:
    found = wire.deposit(orjson.dumps(event()))

    assert (found.id, found.event_id, found.amount) == (ID, uuid.UUID(int=1), 7)
    assert found.at == dt.datetime(2026, 2, 18, 10, 0, tzinfo=dt.UTC)
    assert found.user_id == ID


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        orjson.dumps(event(metadata={})),
        orjson.dumps(event(metadata=None)),
        orjson.dumps(event(eventId="evt_1")),
        orjson.dumps(event(occurredAt="today")),
        orjson.dumps(event(payload=[1])),
    ],
)
def test_a_malformed_event_is_refused(body: bytes) -> None:
    with pytest.raises(wire.NotADeposit):
        wire.deposit(body)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_deposit_to_an_open_account_goes_to_its_user(*, is_late: bool) -> None:
    assert domain.account_for(deposit(), is_open=True, is_late=is_late) == ANN


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("memo", ["", "7"])
def test_a_deposit_without_a_user_goes_to_suspense(memo: str, *, is_open: bool) -> None:
    nobodys = deposit(user_id=None, memo=memo)

    assert domain.account_for(nobodys, is_open=is_open, is_late=False) == "suspense"


def test_a_memo_does_not_stop_a_deposit_to_the_wallet_of_a_user() -> None:
    assert domain.account_for(deposit(memo="7"), is_open=True, is_late=False) == ANN


def test_a_deposit_waits_for_its_users_account_and_then_goes_to_suspense() -> None:
    with pytest.raises(DepositNotBooked):
        domain.account_for(deposit(), is_open=False, is_late=False)

    assert domain.account_for(deposit(), is_open=False, is_late=True) == "suspense"


def test_deposit_is_debited_from_the_external_account_under_its_own_id() -> None:
    transfer = domain.booking(deposit(), account=ANN)

    assert (transfer.id, transfer.code) == (ID, TransferCode.DEPOSIT)
    assert (transfer.debit, transfer.credit) == ("external:stellar", ANN)
    assert (transfer.amount, transfer.asset) == (700, "USDC")
    assert transfer.transaction_hash == "ab" * 32


def test_a_deposit_in_suspense_is_credited_to_its_user_under_one_id() -> None:
    first = domain.credit_from_suspense(suspended(), reason="asked the payer")
    again = domain.credit_from_suspense(suspended(), reason="asked the payer")

    assert first == again
    assert first.id != ID
    assert (first.debit, first.credit, first.amount) == ("suspense", ANN, 700)
    assert first.reason == "asked the payer"


def test_deposit_outside_any_users_wallet_cannot_be_credited() -> None:
    with pytest.raises(UserNotFound):
        domain.credit_from_suspense(suspended(user_id=None), reason="mine")
