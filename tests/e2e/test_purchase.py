"""The purchase of the orders guide on a complete stack."""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.demo.events import PURCHASE, Listener
from deploy.local.demo.purchase import DemoFailedError, wait_for
from tests.running_stack import RunningStack

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ORDER_ID = re.compile(r"ord_[0-9A-Za-z]{22}")
ESCROW_ID = re.compile(r"esc_[0-9A-Za-z]{22}")
CONTRACT_ID = re.compile(r"C[A-Z2-7]{55}")


@pytest.fixture
async def api(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the demo marketplace's key."""
    document = stack.document
    async with httpx.AsyncClient(
        base_url=f"{document['url']}/api/v1",
        headers={"Authorization": f"Bearer {document['apiKey']}"},
        timeout=60,
    ) as client:
        yield client


async def post(
    api: httpx.AsyncClient, path: str, body: dict[str, Any] | None, *, status: int
) -> dict[str, Any]:
    """POST as the guide does; returns `data` of the response."""
    answer = await api.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert set(document) == {"success", "data"}
    assert document["success"] is True
    data: dict[str, Any] = document["data"]
    return data


async def get(api: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await api.get(path)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def balance(api: httpx.AsyncClient, user: str) -> tuple[str, str]:
    found = await get(api, f"/users/{user}/balance")
    return found["available"], found["reserved"]


async def users_with_a_deposit(api: httpx.AsyncClient, faucet_url: str) -> tuple[str, str]:
    """Register a buyer with 100.00 and a seller; returns their public ids."""
    name = uuid.uuid4().hex[:8]
    buyer, seller = f"usr_buyer{name}", f"usr_seller{name}"
    for user, kind in ((buyer, "BUYER"), (seller, "SELLER")):
        body = {"externalUserId": user, "id": user, "type": kind}
        assert (await post(api, "/users", body, status=201))["id"] == user
    deposit = await get(api, f"/users/{buyer}/wallet/deposit")

    async def paid() -> bool:
        body = {"address": deposit["address"], "amount": "100.00"}
        return (await api.post(faucet_url, json=body)).status_code == 200

    async def credited() -> bool:
        return await balance(api, buyer) == ("100.00", "0.00")

    await wait_for(paid, what="the faucet did not pay")
    await wait_for(credited, what="the deposit did not arrive")
    return buyer, seller


async def test_documented_purchase_responds_as_printed_and_publishes_nine_events(
    api: httpx.AsyncClient, stack: RunningStack
) -> None:
    document = stack.document
    buyer, seller = await users_with_a_deposit(api, document["faucetUrl"])

    async with Listener.of(stack=document) as listener:
        order_id = await create_and_reserve(api, buyer, seller)
        await create_and_fund_escrow(api, order_id, buyer)
        await release(api, order_id, buyer, seller)
        await listener.wait_for(order_id, "order.closed")
        events = listener.of_aggregate(order_id)

    assert events == [(event_type, n) for n, event_type in enumerate(PURCHASE, start=1)]


async def create_and_reserve(api: httpx.AsyncClient, buyer: str, seller: str) -> str:
    body = {
        "buyerId": buyer,
        "sellerId": seller,
        "amount": "80.00",
        "title": "Logo design",
        "description": "Design a logo for my startup",
    }
    created = await post(api, "/orders", body, status=201)
    assert ORDER_ID.fullmatch(created["id"])
    assert TIMESTAMP.fullmatch(created["createdAt"])
    expected = {k: v for k, v in body.items() if k != "description"}
    assert {k: created[k] for k in expected} == expected
    assert created["status"] == "ORDER_CREATED"

    path = f"/orders/{created['id']}"
    reserved = await post(api, f"{path}/reserve", {"amount": "80.00"}, status=200)
    assert (reserved["id"], reserved["status"]) == (created["id"], "FUNDS_RESERVED")
    assert TIMESTAMP.fullmatch(reserved["reservedAt"])
    assert await balance(api, buyer) == ("20.00", "80.00")
    return str(created["id"])


async def create_and_fund_escrow(api: httpx.AsyncClient, order_id: str, buyer: str) -> None:
    path = f"/orders/{order_id}"
    creating = await post(api, f"{path}/escrow", None, status=200)
    assert (creating["id"], creating["status"]) == (order_id, "ESCROW_CREATING")
    assert ESCROW_ID.fullmatch(creating["escrow"]["id"])
    assert CONTRACT_ID.fullmatch(creating["escrow"]["trustlessContractId"])

    funded = await post(api, f"{path}/escrow/fund", None, status=200)
    assert (funded["id"], funded["status"]) == (order_id, "IN_PROGRESS")
    assert funded["escrow"]["id"] == creating["escrow"]["id"]
    assert funded["escrow"]["status"] == "FUNDED"
    assert TIMESTAMP.fullmatch(funded["escrow"]["fundedAt"])
    assert await balance(api, buyer) == ("20.00", "0.00")


async def release(api: httpx.AsyncClient, order_id: str, buyer: str, seller: str) -> None:
    body = {"requestedBy": "BUYER"}
    closed = await post(api, f"/orders/{order_id}/resolution/release", body, status=200)
    assert closed["id"] == order_id
    assert (closed["status"], closed["finalStatus"]) == ("CLOSED", "RELEASED")
    assert TIMESTAMP.fullmatch(closed["closedAt"])
    assert await balance(api, buyer) == ("20.00", "0.00")
    assert await balance(api, seller) == ("80.00", "0.00")


async def test_timeout_of_a_wait_names_what_was_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never() -> bool:
        return False

    monkeypatch.setattr("deploy.local.demo.purchase.STEP_SECONDS", 0)

    with pytest.raises(DemoFailedError, match="the moon did not fall"):
        await wait_for(never, what="the moon did not fall")
