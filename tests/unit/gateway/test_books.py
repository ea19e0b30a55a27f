"""The answer of `GET /books`: whether all is well, the waiting work, and omitted texts."""

import uuid
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.escrow.v1 import escrow_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import TypeAdapter

from gateway.marketplace.books import Books, books
from kernel.ids import to_public

AT = Timestamp(seconds=1_772_188_200)
LATER = Timestamp(seconds=1_772_188_260)
ORDER = uuid.UUID("11223344-5566-7788-99aa-bbccddeeff00")


def ledger(**rest: Any) -> ledger_pb2.Books:
    money = ledger_pb2.AssetBooks(
        asset="USDC", available=100_000, reserved=200_000, in_escrow=300_000, in_suspense=400_000
    )
    rule = ledger_pb2.InvariantResult(name="I1", holds=True, details="1 asset checked: ok")
    found: dict[str, Any] = {"checked_at": AT, "money": [money], "invariants": [rule]}
    return ledger_pb2.Books(**found | rest)


def compared(**rest: Any) -> orders_pb2.Reconciliation:
    found: dict[str, Any] = {"looked_at": LATER, "round_finished_at": AT, "differing": 5}
    return orders_pb2.Reconciliation(**found | rest)


def command(state: str, account: str) -> escrow_pb2.CommandOfConcern:
    return escrow_pb2.CommandOfConcern(
        id=str(ORDER),
        kind=escrow_pb2.COMMAND_KIND_RELEASE,
        state=f"COMMAND_STATE_{state}",
        reason="NETWORK_FEES_TOO_HIGH",
        message="node.internal says: no",
        account=account,
        since=AT,
    )


def shown(
    known: ledger_pb2.Books | None = None,
    found: orders_pb2.Reconciliation | None = None,
    **concerns: Any,
) -> Books:
    """Return the printed books, checked against the documented shape."""
    printed = books(
        known or ledger(), found or compared(), escrow_pb2.ListConcernsResponse(**concerns)
    )
    TypeAdapter(Books).validate_python(printed, strict=True)
    return printed


def test_correct_books_are_well_and_their_money_is_summed() -> None:
    printed = shown()

    assert printed["isWell"] is True
    assert printed["ledger"]["money"] == [
        {
            "currency": "USDC",
            "held": "0.10",
            "available": "0.01",
            "reserved": "0.02",
            "inEscrow": "0.03",
            "inSuspense": "0.04",
        }
    ]
    assert printed["chain"]["agrees"] is True
    assert printed["oldestEventAt"] is None


def test_unchecked_books_are_neither_well_nor_wrong() -> None:
    assert shown(ledger_pb2.Books(is_checking=True))["isWell"] is None
    assert shown(found=orders_pb2.Reconciliation())["isWell"] is None


def test_each_fault_alone_makes_the_books_wrong() -> None:
    rule = ledger_pb2.InvariantResult(name="I2", holds=False, details="1 FAILED: user:x")
    differs = orders_pb2.AccountDiffers(account=f"escrow:{ORDER}", ledger=5, chain=4, since=AT)
    hold = escrow_pb2.ChainHold(why="restored", since=AT)
    change = escrow_pb2.ForeignChange(
        order_id=str(ORDER), name="tw_dispute", transaction_hash="ab", found_at=AT
    )

    faults = [
        shown(ledger(invariants=[rule])),
        shown(found=compared(differences=[differs])),
        shown(commands=[command("QUARANTINED", f"escrow:{ORDER}")]),
        shown(hold=hold),
        shown(blindness=escrow_pb2.WatcherBlindness(since=AT)),
        shown(changes=[change]),
    ]

    assert [one["isWell"] for one in faults] == [False] * 6
    assert faults[1]["chain"]["agrees"] is False
    assert faults[1]["chain"]["differences"][0]["orderId"] == to_public("ord", ORDER)
    assert faults[3]["isSendingOnHold"] is True
    assert faults[4]["areDepositsSeen"] is False
    assert [(one["orderId"], one["event"]) for one in faults[5]["foreignChanges"]] == [
        (to_public("ord", ORDER), "tw_dispute")
    ]


def test_waiting_work_is_counted_in_full_and_the_oldest_twenty_are_listed() -> None:
    slow = orders_pb2.SlowOperation(order_id=str(ORDER), kind="RELEASE", since=AT)
    other = orders_pb2.SlowOperation(order_id=str(uuid.uuid4()), kind="REFUND", since=AT)
    user = f"user:{uuid.uuid4()}"

    printed = shown(
        found=compared(slow=[slow, other]),
        commands=[
            *[command("QUARANTINED", user)] * 25,
            command("RUNNING", f"escrow:{ORDER}"),
        ],
    )

    assert printed["needsOperator"]["count"] == 25
    assert len(printed["needsOperator"]["oldest"]) == 20
    assert [one["kind"] for one in printed["waits"]["oldest"]] == ["RELEASE", "REFUND"]
    assert "node.internal" not in str(printed)


def test_oldest_event_is_the_oldest_of_all_services() -> None:
    printed = shown(
        ledger(oldest_event_at=LATER), compared(oldest_event_at=AT), oldest_event_at=LATER
    )

    assert printed["oldestEventAt"] == "2026-02-27T10:30:00.000Z"
