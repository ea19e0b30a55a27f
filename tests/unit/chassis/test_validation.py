"""The field rules of the contracts: every broken one is named by its path."""

import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.interceptors import validate
from kernel.errors import InvalidArgument

ID = "0190163d-8694-739b-aea5-966c26f8ad91"


def a_request(**fields: object) -> disputes_pb2.OpenDisputeRequest:
    known: dict[str, object] = {
        "request_id": "1",
        "dispute_id": ID,
        "order_id": ID,
        "opened_by": common_pb2.PARTY_BUYER,
        "reason": orders_pb2.DISPUTE_REASON_OTHER,
        "amount": common_pb2.Money(asset="USDC", minor_units=1),
        "evidence": ["a", "b"],
    }
    return disputes_pb2.OpenDisputeRequest(**{**known, **fields})  # type: ignore[arg-type] # by name


def broken(message: object) -> list[str]:
    with pytest.raises(InvalidArgument) as refusal:
        validate(message)  # type: ignore[arg-type] # any message
    return [path for path, _ in refusal.value.fields]


def test_a_valid_message_passes() -> None:
    validate(a_request())


def test_every_broken_field_is_named() -> None:
    assert broken(a_request(order_id="1", reason=0)) == ["order_id", "reason"]


def test_a_field_inside_another_is_named_by_its_path() -> None:
    amount = common_pb2.Money(asset="USDC", minor_units=-1)

    assert broken(a_request(amount=amount)) == ["amount.minor_units"]


def test_an_item_of_a_list_is_named_by_its_index() -> None:
    assert broken(a_request(evidence=["a", "b" * 2049])) == ["evidence[1]"]


def test_a_missing_choice_is_named() -> None:
    assert broken(disputes_pb2.GetDisputeRequest()) == ["by"]


def test_text_with_a_nul_is_refused_in_any_field() -> None:
    assert broken(a_request(description="a\0b", evidence=["a", "\0"])) == [
        "description",
        "evidence[1]",
    ]
    transfer = ledger_pb2.NewTransfer(id=ID, type=1, code=1, reason="\0")  # type: ignore[arg-type] # numbers
    request = ledger_pb2.PostTransfersRequest(transfers=[transfer])
    assert broken(request) == ["transfers[0].reason"]


def test_a_zero_byte_outside_a_text_passes() -> None:
    validate(a_request(fingerprint=b"\0" * 32))
