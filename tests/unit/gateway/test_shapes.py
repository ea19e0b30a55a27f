"""The marketplace API's answers match its OpenAPI document, field by field."""

from typing import Any

import orjson
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.ledger.v1 import ledger_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import TypeAdapter

from gateway.marketplace.balances import Entry, entry
from gateway.marketplace.disputes import Dispute, dispute
from gateway.marketplace.order import ClosedOrder, Order, closed, order
from gateway.marketplace.users import User, user

ID = "11223344-5566-7788-99aa-bbccddeeff00"
AT = Timestamp(seconds=1_772_188_200)
MONEY = common_pb2.Money(asset="USDC", minor_units=800_000_000)


def an_order(**rest: Any) -> orders_pb2.Order:
    return orders_pb2.Order(
        id=ID, state=orders_pb2.ORDER_STATE_CLOSED, amount=MONEY, created_at=AT, **rest
    )


WHOLE = an_order(
    final_status=orders_pb2.FINAL_STATUS_RELEASED,
    buyer={"id": ID, "public_id": "usr_ann"},
    seller={"id": ID, "public_id": "usr_bob"},
    currency="USD",
    milestones=[orders_pb2.Milestone(ref="m1", title="Draft", amount=MONEY)],
    metadata_json='{"cart":1041}',
    escrow={"id": ID, "contract_id": "C", "status": "RELEASED", "funded_at": AT},
    dispute={
        "id": ID,
        "status": "RESOLVED",
        "opened_by": common_pb2.PARTY_BUYER,
        "reason": orders_pb2.DISPUTE_REASON_OTHER,
        "decision": orders_pb2.DISPUTE_DECISION_SPLIT,
        "opened_at": AT,
    },
    delivery={"notes": "Done", "delivered_at": AT},
    operation={"id": ID, "kind": "RELEASE", "state": "RUNNING", "started_at": AT},
    charged_fee=MONEY,
    released_amount=MONEY,
    refunded_amount=MONEY,
    closed_at=AT,
)
CASE = disputes_pb2.Dispute(
    id=ID,
    order_id=ID,
    status=disputes_pb2.DISPUTE_STATUS_OPEN,
    opened_by=common_pb2.PARTY_SELLER,
    reason=orders_pb2.DISPUTE_REASON_OTHER,
    amount=MONEY,
    evidence=["https://a.example/"],
)
POSTING = ledger_pb2.Entry(
    transfer_id=ID,
    code=ledger_pb2.TransferCode.keys()[1],
    type=ledger_pb2.TransferType.keys()[1],
    order_id=ID,
    available_after=MONEY,
    reserved_after=MONEY,
    at=AT,
)
ANN = orders_pb2.User(id=ID, public_id="usr_ann", type=orders_pb2.USER_TYPE_BUYER, created_at=AT)


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        pytest.param(Order, order(an_order()), id="new order"),
        pytest.param(Order, order(WHOLE), id="whole order"),
        pytest.param(ClosedOrder, closed(WHOLE), id="closed order"),
        pytest.param(Dispute, dispute(CASE), id="dispute"),
        pytest.param(Entry, entry([POSTING, POSTING]), id="entry"),
        pytest.param(User, user(ANN), id="user"),
    ],
)
def test_printed_fields_match_the_documented_shape(shape: Any, data: Any) -> None:
    printed = orjson.loads(orjson.dumps(data))

    assert TypeAdapter(shape).validate_python(printed) == printed
    fields = [name for name in shape.__annotations__ if name in printed]
    assert [name for name in printed if name in fields] == fields
