"""Requests of other clients: optional fields, and both spellings."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.ids import to_public

from .conftest import Services
from .messages import DISPUTE_ID, ORDER_ID, USER_ID, a_dispute, an_order, at, usdc

ORDER = f"/api/v1/orders/{to_public('ord', ORDER_ID)}"
DISPUTE = f"/api/v1/disputes/{to_public('dsp', DISPUTE_ID)}"
# Every action on an order, and the RPC that it asks for.
ACTIONS = {
    "reserve": "ReserveFunds",
    "escrow": "CreateEscrow",
    "escrow/fund": "FundEscrow",
    "cancel": "CancelOrder",
    "resolution/release": "ReleaseFunds",
    "resolution/refund": "RefundOrder",
    "resolution/dispute": "OpenDispute",
}
# A field, in both spellings, and the value that the service gets.
BUYER, SELLER = common_pb2.PARTY_BUYER, common_pb2.PARTY_SELLER
WHO = {
    "CancelOrder": "canceled_by",
    "OpenDispute": "opened_by",
}
FIELDS: tuple[tuple[str, Any, str, Any], ...] = (
    ("amount", "80.00", "amount", usdc(8000)),
    ("reason", "OTHER", "reason", "OTHER"),
    ("requestedBy", "SELLER", "by", SELLER),
    ("requested_by", "SELLER", "by", SELLER),
    ("canceledBy", "SELLER", "by", SELLER),
    ("canceled_by", "SELLER", "by", SELLER),
)


def told(services: Services, rpc: str, field: str) -> Any:
    """Return the value that the service got in a field."""
    request = services.orders.last(rpc)
    return getattr(request, WHO.get(rpc, "requested_by") if field == "by" else field)


@pytest.fixture(autouse=True)
def answers(services: Services) -> None:
    for rpc in (*ACTIONS.values(), "DeliverOrder"):
        services.orders.answers[rpc] = an_order()


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field[0])
@pytest.mark.parametrize("action", ACTIONS)
async def test_every_action_accepts_each_optional_field(
    rest: httpx.AsyncClient, services: Services, action: str, field: tuple[str, Any, str, Any]
) -> None:
    name, value, where, wanted = field
    rpc = ACTIONS[action]
    if (rpc, name) == ("OpenDispute", "reason"):
        wanted = orders_pb2.DISPUTE_REASON_OTHER

    answer = await rest.post(f"{ORDER}/{action}", json={name: value})

    assert answer.status_code in {200, 202}, answer.text
    assert told(services, rpc, where) == wanted


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_optional_field_may_be_null(
    rest: httpx.AsyncClient, services: Services, action: str
) -> None:
    nothing = dict.fromkeys(("amount", "reason", "requestedBy", "canceledBy"))

    answer = await rest.post(f"{ORDER}/{action}", json=nothing)

    assert answer.status_code in {200, 202}, answer.text
    request = services.orders.last(ACTIONS[action])
    assert not request.HasField("amount")


@pytest.mark.parametrize("action", ACTIONS)
async def test_contradicting_requester_fields_are_refused(
    rest: httpx.AsyncClient, action: str
) -> None:
    answer = await rest.post(
        f"{ORDER}/{action}", json={"requestedBy": "BUYER", "canceledBy": "SELLER"}
    )

    assert answer.status_code == 400
    fields = {one["field"] for one in answer.json()["error"]["details"]["fields"]}
    assert {"requestedBy", "canceledBy"} <= fields


# What clients send: path below the API, body, the RPC, and the fields that it gets.
CLIENT_CALLS: tuple[tuple[str, Mapping[str, Any] | None, str, Mapping[str, Any]], ...] = (
    (f"{ORDER}/reserve", None, "ReserveFunds", {}),
    (f"{ORDER}/reserve", {}, "ReserveFunds", {}),
    (f"{ORDER}/escrow", {"amount": "80.00"}, "CreateEscrow", {"amount": usdc(8000)}),
    (f"{ORDER}/escrow/fund", {"amount": "80.00"}, "FundEscrow", {"amount": usdc(8000)}),
    (f"{ORDER}/deliver", None, "DeliverOrder", {"notes": "", "url": ""}),
    (f"{ORDER}/deliver", {"notes": "Done", "url": "https://cdn.example/a"}, "DeliverOrder",
     {"notes": "Done", "url": "https://cdn.example/a"}),
    (f"{ORDER}/resolution/release", {"reason": "Work accepted"}, "ReleaseFunds",
     {"reason": "Work accepted"}),
    (f"{ORDER}/resolution/release", {"requestedBy": "SYSTEM", "reason": ""}, "ReleaseFunds",
     {"requested_by": common_pb2.PARTY_SYSTEM, "reason": ""}),
    (f"{ORDER}/resolution/refund", {"reason": "Not as described"}, "RefundOrder",
     {"reason": "Not as described"}),
    (f"{ORDER}/cancel", {"reason": "Changed my mind"}, "CancelOrder",
     {"reason": "Changed my mind"}),
    (f"{ORDER}/resolution/dispute",
     {"openedBy": "SELLER", "reason": "NOT_DELIVERED", "evidence": ["https://cdn.example/a"]},
     "OpenDispute", {"opened_by": SELLER, "evidence": ["https://cdn.example/a"]}),
    (f"{ORDER}/resolution/dispute", None, "OpenDispute", {"opened_by": BUYER}),
    ("/api/v1/orders",
     {"buyer_id": "usr_a", "seller_id": "usr_b", "amount": "80.00", "title": "Logo",
      "client_order_ref": "A-1", "currency": "USD", "description": None, "metadata": {},
      "milestones": [{"ref": "m1", "description": "All of it", "amount": "80.00"}]},
     "CreateOrder", {"buyer": "usr_a", "client_order_ref": "A-1", "currency": "USD"}),
    ("/api/v1/users", {"externalUserId": "u-1", "email": None, "type": None}, "RegisterUser",
     {"external_user_id": "u-1", "type": orders_pb2.USER_TYPE_BOTH}),
    ("/api/v1/users", {"external_user_id": "u-1", "type": "SELLER"}, "RegisterUser",
     {"type": orders_pb2.USER_TYPE_SELLER}),
    (f"{DISPUTE}/assign", {"assignedTo": "agent_1"}, "AssignDispute", {"agent_id": "agent_1"}),
    (f"{DISPUTE}/assign", {"agent_id": "agent_1", "notes": None}, "AssignDispute",
     {"agent_id": "agent_1"}),
    (f"{DISPUTE}/evidence", {"evidence": ["https://cdn.example/a"]}, "AddEvidence", {}),
    (f"{DISPUTE}/resolve", {"decision": "FULL_REFUND", "note": None}, "ResolveDispute", {}),
    (f"{DISPUTE}/resolve",
     {"decision": "FULL_RELEASE", "releaseAmount": None, "refundAmount": None, "note": "done"},
     "ResolveDispute", {"note": "done"}),
    (f"{DISPUTE}/resolve",
     {"decision": "SPLIT", "release_amount": "60.00", "refund_amount": "20.00"},
     "ResolveDispute", {"release_amount": usdc(6000)}),
)  # fmt: skip


@pytest.mark.parametrize("call", CLIENT_CALLS, ids=lambda call: f"{call[0]} {call[1]}")
async def test_a_valid_body_is_read(
    rest: httpx.AsyncClient,
    services: Services,
    call: tuple[str, Mapping[str, Any] | None, str, Mapping[str, Any]],
) -> None:
    path, body, rpc, wanted = call
    services.orders.answers["CreateOrder"] = an_order()
    services.orders.answers["ResolveDispute"] = an_order(
        "CLOSED", dispute=orders_pb2.OrderDispute(id=str(DISPUTE_ID), status="RESOLVED")
    )
    services.orders.answers["RegisterUser"] = orders_pb2.User(
        id=str(USER_ID), type=orders_pb2.USER_TYPE_BOTH, created_at=at("2026-02-18T10:00:00Z")
    )
    services.disputes.answers |= dict.fromkeys(("AssignDispute", "AddEvidence"), a_dispute())

    answer = await rest.post(path, json=body) if body is not None else await rest.post(path)

    assert answer.status_code in {200, 201, 202}, answer.text
    peer = services.disputes if rpc in services.disputes.answers else services.orders
    request = peer.last(rpc)
    assert {name: getattr(request, name) for name in wanted} == wanted
