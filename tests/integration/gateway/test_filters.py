"""Filters of lists in the marketplace API: what is asked of the services, and what is refused."""

from typing import Any

import httpx
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.disputes.v1 import disputes_pb2
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import InvalidArgument

from .conftest import Services
from .messages import at, usdc

AT = "2026-02-18T10:00:00.5Z"
LISTS: dict[str, Any] = {
    "orders": ("ListOrders", orders_pb2.ListOrdersResponse()),
    "users": ("ListUsers", orders_pb2.ListUsersResponse()),
    "disputes": ("ListDisputes", disputes_pb2.ListDisputesResponse()),
}


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("orders?clientOrderRef=A%2F1", {"client_order_ref": "A/1"}),
        (f"orders?createdFrom={AT}", {"created_from": at("2026-02-18T10:00:00.500Z")}),
        ("orders?created_to=2026-02-18T10:00:00Z", {"created_to": at("2026-02-18T10:00:00Z")}),
        ("orders?amount=80.00", {"amount": usdc(8000)}),
        (
            "orders?amountFrom=0.01&amountTo=80.00",
            {"amount_from": usdc(1), "amount_to": usdc(8000)},
        ),
        ("orders?text=blue%20logo", {"text": "blue logo"}),
        ("orders?sort=NEWEST", {}),
        ("orders?sort=OLDEST", {"sort": orders_pb2.ORDER_SORT_OLDEST}),
        ("orders?sort=SMALLEST", {"sort": orders_pb2.ORDER_SORT_SMALLEST}),
        ("orders?sort=LARGEST", {"sort": orders_pb2.ORDER_SORT_LARGEST}),
        ("users?externalUserId=carol", {"external_user_id": "carol"}),
        ("users?email=c%2Bx@shop.example", {"email": "c+x@shop.example"}),
        ("disputes?assignedTo=agent-7", {"assigned_to": "agent-7"}),
        ("disputes?openedBy=SELLER", {"opened_by": common_pb2.PARTY_SELLER}),
        (f"disputes?openedFrom={AT}", {"opened_from": at("2026-02-18T10:00:00.500Z")}),
        (f"disputes?openedTo={AT}", {"opened_to": at("2026-02-18T10:00:00.500Z")}),
    ],
)
async def test_filter_is_passed_to_the_service(
    rest: httpx.AsyncClient, services: Services, query: str, asked: dict[str, Any]
) -> None:
    method, answer = LISTS[query.partition("?")[0]]
    recorded = services.disputes if method == "ListDisputes" else services.orders
    recorded.answers[method] = answer

    response = await rest.get(f"/api/v1/{query}")

    assert response.status_code == 200, response.text
    request = recorded.last(method)
    assert request == type(request)(page=common_pb2.PageRequest(page_size=20), **asked)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("orders?clientOrderRef=", "clientOrderRef"),
        (f"orders?clientOrderRef={'x' * 256}", "clientOrderRef"),
        ("orders?createdFrom=2026-02-18", "createdFrom"),
        ("orders?createdFrom=2026-02-30T10:00:00Z", "createdFrom"),
        ("orders?createdTo=2026-02-18T10:00:00%2B01:00", "createdTo"),
        ("orders?createdTo=1771408800", "createdTo"),
        ("orders?text=", "text"),
        (f"orders?text={'x' * 101}", "text"),
        ("orders?sort=newest", "sort"),
        ("orders?sort=", "sort"),
        ("users?externalUserId=", "externalUserId"),
        ("users?email=x", "email"),
        ("disputes?assignedTo=", "assignedTo"),
        ("disputes?openedBy=SUPPORT", "openedBy"),
        ("disputes?openedFrom=yesterday", "openedFrom"),
        ("disputes?openedTo=", "openedTo"),
    ],
)
async def test_invalid_filter_is_refused(rest: httpx.AsyncClient, query: str, field: str) -> None:
    refused = await rest.get(f"/api/v1/{query}")

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "VALIDATION_ERROR"
    assert [one["field"] for one in refused.json()["error"]["details"]["fields"]] == [field]


@pytest.mark.parametrize("name", ["amount", "amountFrom", "amountTo"])
@pytest.mark.parametrize("text", ["80", "80.001", "0.00", "-1.00", "1e3", "x", ""])
async def test_an_amount_is_read_strictly(rest: httpx.AsyncClient, name: str, text: str) -> None:
    refused = await rest.get("/api/v1/orders", params={name: text})

    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "INVALID_AMOUNT_FORMAT"


async def test_fields_that_the_service_refuses_have_the_apis_names(
    rest: httpx.AsyncClient, services: Services
) -> None:
    fields = [("created_from", "must be an instant"), ("opened_by", "must be known")]
    services.orders.answers["ListOrders"] = InvalidArgument("Invalid field", fields=fields)

    refused = await rest.get("/api/v1/orders")

    found = refused.json()["error"]["details"]["fields"]
    assert [one["field"] for one in found] == ["createdFrom", "openedBy"]
