"""The audit trail: who changed what, once, in the change's own transaction."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
from orchestrator.escrow.v1.escrow_pb2 import FLOW_REFUNDS, ResumeFlowRequest, StopFlowRequest
from psycopg.errors import InsufficientPrivilege, RaiseException

from chassis.migrations.scripts import SCRIPTS
from deploy.operator.choose import apply
from deploy.operator.marketplaces import Named
from gateway.keys import id_of
from tests.e2e.tenants import client_of, key_store, tenant
from tests.e2e.trails import lines
from tests.people import Person, answer_of, meet
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of


@pytest.fixture
async def shop(stack: RunningStack) -> AsyncIterator[Shop]:
    """A new marketplace."""
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        async with own.shop() as opened:
            yield opened


async def an_order(shop: Shop, *, key: str = "order", **headers: str) -> httpx.Response:
    """Create an order of two users who are new."""
    for name in ("buyer", "seller"):
        await shop.post("/users", {"externalUserId": name, "id": name}, key=name)
    body = {"buyerId": "buyer", "sellerId": "seller", "amount": "80.00", "title": "Logo"}
    return await shop.post("/orders", body, key=key, **headers)


async def test_a_line_says_who_did_what_when_from_where_and_what_changed(shop: Shop) -> None:
    made = await an_order(shop, X_Request_Id="ask-1")
    order = data_of(made, status=201)

    (line,) = await lines(shop.client, targetId=order["id"])

    key_id = id_of(shop.client.headers["authorization"].removeprefix("Bearer "))
    me = data_of(await shop.client.get("/me"))
    assert line.pop("id").startswith("aud_")
    assert abs(_seconds(line.pop("at")) - _seconds(order["createdAt"])) < 60
    assert line == {
        "marketplaceId": me["marketplaceId"],
        "actor": f"key:{key_id}",
        "role": "marketplace",
        "action": "order.create",
        "targetType": "order",
        "targetId": order["id"],
        "address": "127.0.0.1",
        "requestId": "ask-1",
        "before": {},
        "after": {"state": "ORDER_CREATED", "amount": "80.00"},
    }


async def test_a_repeated_refused_or_previewed_request_leaves_no_line(shop: Shop) -> None:
    order = data_of(await an_order(shop), status=201)["id"]
    assert data_of(await an_order(shop), status=201)["id"] == order
    refused = await shop.post(f"/orders/{order}/escrow")
    previewed = await shop.post(
        f"/orders/{order}/cancel", {"canceledBy": "BUYER"}, Prefer="dry-run"
    )

    found = await lines(shop.client, targetId=order)

    assert (refused.status_code, previewed.status_code) == (409, 200)
    assert [line["action"] for line in found] == ["order.create"]


async def test_the_trail_is_read_with_the_scope_support_of_the_own_marketplace_only(
    shop: Shop, stack: RunningStack
) -> None:
    await an_order(shop)
    async with key_store(stack) as store:
        other = await tenant(stack, store)
        async with other.shop("support") as theirs, other.shop("read", "write", "admin") as without:
            found = await lines(theirs.client)
            refused = await without.client.get("/audit")

    assert {line["action"] for line in found} == {"api_key.create"}
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "INSUFFICIENT_SCOPE")


async def test_filters_and_pages_give_the_same_lines_newest_first(shop: Shop) -> None:
    order = data_of(await an_order(shop), status=201)["id"]
    data_of(await shop.post(f"/orders/{order}/cancel", {"canceledBy": "BUYER"}))
    all_lines = await lines(shop.client)

    actions = [line["action"] for line in all_lines]
    assert actions == ["order.cancel", "order.create", *["user.register"] * 2, "api_key.create"]
    pages: list[dict[str, Any]] = []
    wanted = {"limit": "2"}
    while wanted:
        page = (await shop.client.get("/audit", params=wanted)).json()
        pages += page["data"]
        wanted = {"limit": "2", "cursor": page["nextCursor"]} if page["hasMore"] else {}
    assert pages == all_lines

    first, last = all_lines[-1], all_lines[0]
    assert await lines(shop.client, action="user.register") == all_lines[2:4]
    assert await lines(shop.client, actor=last["actor"]) == all_lines[:4]
    assert await lines(shop.client, actor=last["actor"], targetId=order) == all_lines[:2]
    assert await lines(shop.client, actor="nobody", targetId=order) == []
    assert await lines(shop.client, since=last["at"])
    assert last not in await lines(shop.client, until=last["at"])
    assert first in await lines(shop.client, until=last["at"])


@pytest.mark.parametrize(
    "wrong",
    [{"cursor": "x"}, {"since": "yesterday"}, {"limit": "0"}, {"actor": ""}, {"by": "me"}],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_wrong_parameters_are_refused(shop: Shop, wrong: dict[str, str]) -> None:
    refused = await shop.client.get("/audit", params=wrong)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("schema", SCRIPTS)
@pytest.mark.parametrize("verb", ["update {} set actor = ''", "delete from {}", "truncate {}"])
def test_a_line_cannot_be_changed_by_the_service_nor_by_anybody_else(
    stack: RunningStack, schema: str, verb: str
) -> None:
    statement = verb.format(f"{schema}.audit")
    url = httpx.URL(str(stack.document["databaseUrl"]))
    own = str(url.copy_with(username=schema))

    with psycopg.connect(own) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(statement)
    with psycopg.connect(str(url)) as connection, pytest.raises(RaiseException) as refused:
        connection.execute(statement)
    assert refused.value.diag.constraint_name == "audit_is_kept"


async def test_a_revocation_is_told_once(shop: Shop, stack: RunningStack) -> None:
    made = data_of(await shop.post("/auth/api-keys", {"scopes": ["read"]}), status=201)
    for _ in range(2):
        data_of(await shop.client.delete(f"/auth/api-keys/{made['id']}"))

    found = await lines(shop.client, targetId=made["id"])

    assert [line["action"] for line in found] == ["api_key.revoke", "api_key.create"]
    assert made["key"] not in str(found)
    async with client_of(stack, made["key"]) as revoked:
        assert (await revoked.get("/audit")).status_code == 401


async def test_a_webhook_tells_the_fields_that_changed_and_never_its_secret(shop: Shop) -> None:
    body = {"url": "https://shop.example.com/hooks", "eventTypes": ["order.*"]}
    made = data_of(await shop.post("/webhooks", body), status=201)
    path = f"/webhooks/{made['id']}"
    for change in ({"description": "New"}, {"description": "New"}, {}):
        data_of(await shop.client.patch(path, json=change))
    rotated = data_of(await shop.post(f"{path}/rotate-secret"))

    found = await lines(shop.client, targetId=made["id"])

    assert [(line["action"], line["before"], line["after"]) for line in found[:2]] == [
        ("webhook.rotate_secret", {"secretNumber": 1}, {"secretNumber": 2}),
        ("webhook.update", {"description": ""}, {"description": "New"}),
    ]
    assert [line["action"] for line in found[2:]] == ["webhook.create"]
    assert not [one for one in (made, rotated) if one["secret"] in str(found)]


async def test_what_a_person_does_has_their_name_and_role(stack: RunningStack) -> None:
    async with Shop.of(stack) as shop, Person.of(stack) as buyer, Person.of(stack) as seller:
        await meet(seller)
        body = {"business_id": str(seller.id), "amount": 20.00}
        answer_of(await buyer.client.post("/orders/", json=body), status=201)

        found = await lines(shop.client, actor=f"user:{buyer.id}")

    assert {line["role"] for line in found} == {"user"}
    assert {line["address"] for line in found} == {"127.0.0.1"}
    assert [line["action"] for line in found] == ["order.create", "user.register"]


async def test_what_operators_do_to_a_marketplace_is_in_its_trail(stack: RunningStack) -> None:
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        named = Named(id=own.id, name=own.name, environment=own.environment)
        url = str(stack.document["databaseUrl"])
        for days in (3, 3):
            apply(url, named, chosen={"auto_confirm_days": days}, operator="alice")
        async with own.operator() as operator, own.shop() as shop:
            await operator.flows(StopFlowRequest(flow=FLOW_REFUNDS, reason="A drill"))
            await operator.flows(ResumeFlowRequest(flow=FLOW_REFUNDS, reason="A drill"))
            found = await lines(shop.client)

    told = [
        (line["actor"], line["action"], line["before"], line["after"])
        for line in found
        if line["targetType"] != "api_key"
    ]
    stopped, open_ = ({"isStopped": one, "dailyLimit": None} for one in (True, False))
    why = {"reason": "A drill"}
    assert told == [
        ("operator", "flow.resume", stopped, open_ | why),
        ("operator", "flow.stop", open_, stopped | why),
        (
            "operator:alice",
            "marketplace.choose",
            {"autoConfirmDays": 7},
            {"autoConfirmDays": 3},
        ),
    ]


def _seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()
