"""Field rules: a refusal names every wrong field with the caller's field names."""

import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.interceptors import validate
from kernel.errors import InvalidArgument


def fields_of(message: object) -> list[str]:
    """The names of the fields that are refused."""
    with pytest.raises(InvalidArgument) as refused:
        validate(message)  # type: ignore[arg-type] # any message, for the tests' ease
    return [name for name, _ in refused.value.fields]


def test_message_that_satisfies_its_rules_passes() -> None:
    validate(orders_pb2.GetOrderRequest(order_id="01989e2a-7b1c-7def-8123-456789abcdef"))


def test_a_wrong_field_is_named() -> None:
    assert fields_of(orders_pb2.GetOrderRequest(order_id="x")) == ["order_id"]


def test_every_wrong_field_is_named() -> None:
    request = orders_pb2.ListPartyOrdersRequest(user_id="x", limit=0, offset=-1)

    assert set(fields_of(request)) == {"user_id", "role", "offset", "limit"}


def test_a_field_inside_a_field_is_named_by_its_path() -> None:
    request = orders_pb2.ListOrdersRequest(page=common_pb2.PageRequest(page_size=101))

    assert fields_of(request) == ["page.page_size"]


def test_list_item_is_named_by_its_index() -> None:
    request = ledger_pb2.PostTransfersRequest(transfers=[ledger_pb2.NewTransfer(id="x")])

    assert "transfers[0].id" in fields_of(request)


def test_a_rule_of_the_whole_message_names_the_request_or_its_choice() -> None:
    from orchestrator.disputes.v1 import disputes_pb2

    (name,) = fields_of(disputes_pb2.GetDisputeRequest())

    assert name in {"by", "request"}
