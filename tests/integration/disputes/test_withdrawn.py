"""A decision that cannot be paid is withdrawn and kept; another one may be made."""

import uuid
from collections.abc import Callable

import pytest
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from tests.integration.disputes.test_cases import completion, decision, opened
from tests.serving import Client

Rows = Callable[[str, uuid.UUID], list[tuple[object, ...]]]


def withdrawal(dispute_id: str) -> disputes_pb2.WithdrawDecisionRequest:
    return disputes_pb2.WithdrawDecisionRequest(
        request_id=str(new_id()), dispute_id=dispute_id, why="The seller cannot be paid"
    )


async def test_another_decision_may_be_made_after_one_was_withdrawn(
    disputes: Client, read: Rows
) -> None:
    case = await opened(disputes)
    await disputes.call("DecideDispute", decision(case.id), caller="orders")

    open_again = await disputes.call("WithdrawDecision", withdrawal(case.id), caller="orders")
    other = {"decision": orders_pb2.DISPUTE_DECISION_FULL_REFUND}
    request = decision(case.id, release_amount=None, refund_amount=None, **other)
    decided = await disputes.call("DecideDispute", request, caller="orders")
    done = await disputes.call("CompleteDispute", completion(case.id), caller="orders")

    assert open_again.decision == orders_pb2.DISPUTE_DECISION_UNSPECIFIED
    assert decided.decision == done.decision == orders_pb2.DISPUTE_DECISION_FULL_REFUND
    kept = read(
        "select decision, withdrawn_why from disputes.rulings where marketplace_id = %s"
        " order by number",
        disputes.marketplace_id,
    )
    assert kept == [("SPLIT", "The seller cannot be paid"), ("FULL_REFUND", None)]


async def test_withdrawing_without_a_decision_changes_nothing(disputes: Client) -> None:
    case = await opened(disputes)

    same = await disputes.call("WithdrawDecision", withdrawal(case.id), caller="orders")

    assert same == case


async def test_a_paid_decision_cannot_be_withdrawn(disputes: Client) -> None:
    case = await opened(disputes)
    await disputes.call("DecideDispute", decision(case.id), caller="orders")
    await disputes.call("CompleteDispute", completion(case.id), caller="orders")

    with pytest.raises(FailedPrecondition) as refused:
        await disputes.call("WithdrawDecision", withdrawal(case.id), caller="orders")

    assert refused.value.reason == "INVALID_STATE"
