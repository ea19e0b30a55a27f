"""A person's money in the party API: what is asked of the services, and what is printed."""

import csv
import io
import uuid
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from orchestrator.common.v1 import common_pb2
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import withdrawals_pb2

from gateway.party.withdrawals import MEMOS, STATES
from kernel.errors import (
    DomainError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from kernel.ids import to_public
from tests.integration.gateway.conftest import Services
from tests.integration.gateway.messages import ORDER_ID, at, usdc

from .conftest import own_order, refusal

WITHDRAWAL_ID = uuid.UUID(int=7 << 90)
WITHDRAWALS = "/api/v1/me/withdrawals"
ONE = f"{WITHDRAWALS}/{WITHDRAWAL_ID}"
OUTSIDE = "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ"
ADDRESS, ISSUER = f"G{'A' * 55}", f"G{'B' * 55}"
PAY_IN = {
    "address": ADDRESS,
    "asset": {"code": "USDC", "issuer": ISSUER},
    "network": "devnet",
}
PRINTED = {
    "id": str(WITHDRAWAL_ID),
    "amount": 30.0,
    "currency": "USDC",
    "destination": OUTSIDE,
    "memo": "7",
    "memo_type": "id",
    "reference": "payout-7",
    "status": "created",
    "in_progress": False,
    "failure": None,
    "transaction_hash": None,
    "created_at": "2026-02-18T10:00:00Z",
    "committed_at": None,
    "finished_at": None,
    "approval_ends_at": None,
}


def a_withdrawal(state: str = "CREATED", **changes: Any) -> withdrawals_pb2.Withdrawal:
    """Return a withdrawal as orders answers it."""
    values: dict[str, Any] = {
        "id": str(WITHDRAWAL_ID),
        "amount": usdc(3000),
        "destination": OUTSIDE,
        "memo": common_pb2.Memo(type=common_pb2.MEMO_TYPE_ID, value="7"),
        "reference": "payout-7",
        "state": f"WITHDRAWAL_STATE_{state}",
        "created_at": at("2026-02-18T10:00:00Z"),
    }
    return withdrawals_pb2.Withdrawal(**(values | changes))


def too_little(**facts: str) -> FailedPrecondition:
    known = {"available": "20.0000001", "requested": "80.00", "currency": "USDC"}
    return FailedPrecondition("Too little", reason="INSUFFICIENT_FUNDS", details=known | facts)


def has_wallet(services: Services, answer: Message | DomainError | None = None) -> None:
    """Let escrow know the wallet, or answer something else about it."""
    wallet = escrow_pb2.Wallet(address=ADDRESS)
    services.escrow.answers["GetWallet"] = wallet if answer is None else answer
    services.escrow.answers["GetNetwork"] = escrow_pb2.Network(
        name="devnet", asset_code="USDC", asset_issuer=ISSUER
    )


async def test_person_reads_their_own_balance(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.ledger.answers["GetBalance"] = ledger_pb2.Account(
        available=usdc(12_34), reserved=usdc(50)
    )

    answer = await person.get("/api/v1/me/balance")

    assert answer.text == '{"available":12.34,"reserved":0.50,"currency":"USDC"}'
    [(_, request, who)] = services.ledger.asked
    assert (request.user_id, request.asset) == (str(subject), "USDC")
    assert (who.user_id, who.role) == (subject, "user")


def a_line(code: str, change: int, after: int, **more: Any) -> ledger_pb2.Entry:
    return ledger_pb2.Entry(
        transfer_id=str(uuid.UUID(int=after)),
        code=f"TRANSFER_CODE_{code}",
        type="TRANSFER_TYPE_SINGLE",
        available_change=change * 100_000,
        available_after=usdc(after),
        reserved_after=usdc(0),
        at=at("2026-02-18T10:00:00Z"),
        **more,
    )


async def test_statement_is_exported_within_a_period(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    entries = [a_line("RELEASE", 100, 300), a_line("DEPOSIT", -100, 200), a_line("DEPOSIT", 50, 50)]
    moments = ["2026-02-19T00:00:00Z", "2026-02-18T23:59:59Z", "2026-02-18T00:00:00Z"]
    for one, moment in zip(entries, moments, strict=True):
        one.at.CopyFrom(at(moment))
    services.ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(entries=entries)

    day = {"from": "2026-02-18", "to": "2026-02-19"}
    answer = await person.get("/api/v1/me/statement.csv", params=day)
    refused = await person.get("/api/v1/me/statement.csv", params={"from": "soon"})

    found = list(csv.DictReader(io.StringIO(answer.text, newline=""), strict=True))
    assert answer.headers["content-disposition"] == 'attachment; filename="statement.csv"'
    assert [(one["at"], one["available_change"]) for one in found] == [
        ("2026-02-18T23:59:59Z", "-1.00"),
        ("2026-02-18T00:00:00Z", "0.50"),
    ]
    assert services.ledger.last("ListEntries").user_id == str(subject)
    assert refused.status_code == 422


async def test_statement_has_a_line_for_each_payment_and_names_its_order_or_withdrawal(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    services.ledger.answers["ListEntries"] = ledger_pb2.ListEntriesResponse(
        entries=[
            a_line("WITHDRAWAL", -3000, 5000, reason=to_public("wd", WITHDRAWAL_ID)),
            a_line("RELEASE", 24, 8000, payment_id="p", order_id=str(ORDER_ID)),
            a_line("RELEASE", 7976, 7976, payment_id="p", order_id=str(ORDER_ID)),
        ],
        next_page_token="more",
    )

    answer = await person.get("/api/v1/me/balance/entries?limit=2&cursor=abc")

    found = answer.json()
    assert found["next_cursor"] == "more"
    withdrawn, released = found["items"]
    assert (withdrawn["code"], withdrawn["withdrawal_id"]) == ("withdrawal", str(WITHDRAWAL_ID))
    assert (withdrawn["available_change"], withdrawn["available"]) == (-30.0, 50.0)
    assert (released["code"], released["order_id"]) == ("release", str(ORDER_ID))
    assert (released["available_change"], released["available"]) == (80.0, 80.0)
    request = services.ledger.last("ListEntries")
    assert (request.user_id, request.page.page_size, request.page.page_token) == (
        str(subject),
        2,
        "abc",
    )


async def test_person_is_told_where_to_pay_in(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    has_wallet(services)

    answer = await person.get("/api/v1/me/wallet/deposit")

    assert answer.json() == {**PAY_IN, "memo": "none"}
    assert services.escrow.last("GetWallet").user_id == str(subject)


async def test_person_makes_reads_and_lists_withdrawals(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID
) -> None:
    for method in ("CreateWithdrawal", "GetWithdrawal", "CancelWithdrawal"):
        services.orders.answers[method] = a_withdrawal()
    services.orders.answers["ListWithdrawals"] = withdrawals_pb2.ListWithdrawalsResponse(
        withdrawals=[a_withdrawal()], next_page_token="more"
    )
    body = {
        "amount": 30,
        "destination": OUTSIDE,
        "memo": "7",
        "memo_type": "id",
        "reference": "payout-7",
    }

    made = await person.post(WITHDRAWALS, json=body, headers={"idempotency-key": "once"})
    read = [await person.get(f"{WITHDRAWALS}/{name}") for name in spellings()]
    listed = await person.get(f"{WITHDRAWALS}?status=cancelled&reference=payout-7&limit=7")
    canceled = await person.post(f"{ONE}/cancel")

    assert (made.status_code, made.json(), canceled.json()) == (201, PRINTED, PRINTED)
    assert [one.json() for one in read] == [PRINTED, PRINTED]
    assert listed.json() == {"items": [PRINTED], "next_cursor": "more"}
    request = services.orders.last("CreateWithdrawal")
    assert (request.user, request.amount, request.commit) == (str(subject), usdc(3000), False)
    assert (request.request_id, request.memo.type) == ("k:once", common_pb2.MEMO_TYPE_ID)
    asked = services.orders.last("ListWithdrawals")
    assert (asked.user, asked.reference, asked.page.page_size) == (str(subject), "payout-7", 7)
    assert asked.state == withdrawals_pb2.WITHDRAWAL_STATE_CANCELED


def spellings() -> tuple[str, str]:
    return str(WITHDRAWAL_ID), to_public("wd", WITHDRAWAL_ID)


def test_every_state_and_kind_of_memo_has_a_word_of_the_party_api() -> None:
    states = set(withdrawals_pb2.WithdrawalState.values()) - {0}
    memos = set(common_pb2.MemoType.values()) - {0}

    assert (set(STATES), set(MEMOS)) == (states, memos)


async def test_commit_is_accepted_while_the_payment_is_in_progress(
    person: httpx.AsyncClient, services: Services
) -> None:
    failed = {"failure_reason": "NO_TRUSTLINE", "failure_message": "It has no line"}
    seen = []
    for state, in_progress, more in (
        ("PENDING", True, {}),
        ("COMPLETED", False, {"transaction_hash": "ab" * 32}),
        ("FAILED", False, failed),
    ):
        services.orders.answers["CommitWithdrawal"] = a_withdrawal(
            state, in_progress=in_progress, **more
        )
        answer = await person.post(f"{ONE}/commit", headers={"prefer": "wait=7"})
        printed = answer.json()
        seen.append((answer.status_code, printed["status"], printed["failure"]))

    assert seen == [
        (202, "pending", None),
        (200, "completed", None),
        (200, "failed", {"reason": "NO_TRUSTLINE", "message": "It has no line"}),
    ]
    assert services.orders.last("CommitWithdrawal").wait_seconds == 7


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 30},
        {"destination": OUTSIDE},
        {"amount": "30.00", "destination": OUTSIDE},
        {"amount": 0, "destination": OUTSIDE},
        {"amount": 30, "destination": ""},
        {"amount": 30, "destination": OUTSIDE, "memo_type": "TEXT"},
        {"amount": 30, "destination": OUTSIDE, "user_id": str(uuid.uuid4())},
    ],
)
async def test_invalid_withdrawal_reaches_no_service(
    person: httpx.AsyncClient, services: Services, body: dict[str, Any]
) -> None:
    answer = await person.post(WITHDRAWALS, json=body)

    assert refusal(answer) == (422, "validation_error")
    assert "CreateWithdrawal" not in [method for method, _, _ in services.orders.asked]


async def test_fields_that_a_service_refuses_have_the_party_apis_names(
    person: httpx.AsyncClient, services: Services
) -> None:
    fields = [("page.page_token", "is not a cursor"), ("memo", "is too long")]
    services.orders.answers["ListWithdrawals"] = InvalidArgument("Invalid field", fields=fields)

    answer = await person.get(f"{WITHDRAWALS}?cursor=abc")

    assert [one["field"] for one in answer.json()["errors"]] == ["cursor", "memo"]


@pytest.mark.parametrize("path", ["", "/commit", "/cancel"])
@pytest.mark.parametrize(
    "refused",
    [
        NotFound("Withdrawal not found", reason="WITHDRAWAL_NOT_FOUND"),
        PermissionDenied("You can only access your own data"),
    ],
    ids=["unknown", "another's"],
)
async def test_withdrawal_that_is_not_the_callers_is_not_found(
    person: httpx.AsyncClient, services: Services, path: str, refused: DomainError
) -> None:
    for method in ("GetWithdrawal", "CommitWithdrawal", "CancelWithdrawal"):
        services.orders.answers[method] = refused

    for name in (*spellings(), "wd_1", "x"):
        url = f"{WITHDRAWALS}/{name}{path}"
        answer = await (person.post(url) if path else person.get(url))
        assert refusal(answer) == (404, "withdrawal_not_found")
        assert answer.json() == {
            "code": "withdrawal_not_found",
            "message": "Withdrawal not found",
            "detail": {},
        }


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (f"/api/v1/orders/{ORDER_ID}/pay", "PayOrder"),
        (WITHDRAWALS, "CreateWithdrawal"),
        (f"{ONE}/commit", "CommitWithdrawal"),
    ],
)
async def test_insufficient_funds_say_what_is_missing_and_where_the_caller_pays_in(
    person: httpx.AsyncClient, services: Services, subject: uuid.UUID, path: str, method: str
) -> None:
    has_wallet(services)
    named = {"withdrawalId": to_public("wd", WITHDRAWAL_ID)} if method != "PayOrder" else {}
    services.orders.answers[method] = too_little(**named)
    services.orders.answers["GetOrder"] = own_order(subject, currency="USDC")
    body = {"amount": 30, "destination": OUTSIDE} if method == "CreateWithdrawal" else {}

    answer = await person.post(path, json=body)

    assert refusal(answer) == (422, "insufficient_funds")
    assert answer.json()["detail"] == {
        "available": "20.0000001",
        "requested": "80.00",
        "currency": "USDC",
        "missing": "59.9999999",
        "deposit": PAY_IN,
        **({"withdrawal_id": str(WITHDRAWAL_ID)} if named else {}),
    }
    assert [one.user_id for name, one, _ in services.escrow.asked if name == "GetWallet"] == [
        str(subject)
    ]


async def test_insufficient_funds_are_refused_although_no_address_can_be_read(
    person: httpx.AsyncClient, services: Services
) -> None:
    has_wallet(services, Unavailable("away"))
    services.orders.answers["CommitWithdrawal"] = too_little()

    answer = await person.post(f"{ONE}/commit")

    assert refusal(answer) == (422, "insufficient_funds")
    assert answer.json()["detail"]["missing"] == "59.9999999"
    assert "deposit" not in answer.json()["detail"]


async def test_destination_that_cannot_be_paid_is_refused_with_the_reason(
    person: httpx.AsyncClient, services: Services
) -> None:
    facts = {"why": "NO_TRUSTLINE", "destination": OUTSIDE}
    services.orders.answers["CreateWithdrawal"] = FailedPrecondition(
        "It has no line", reason="WITHDRAWAL_DESTINATION_INVALID", details=facts
    )

    answer = await person.post(WITHDRAWALS, json={"amount": 30, "destination": OUTSIDE})

    assert refusal(answer) == (422, "withdrawal_destination_invalid")
    assert answer.json()["detail"] == facts
