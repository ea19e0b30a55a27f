"""Previews on a running stack: they say what the request then does, and change nothing.

Both APIs' documents name the routes, so that a new route is tried too.
"""

import contextlib
import uuid
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.routes import OUTSIDE, Route, routes, unknown_id
from tests.e2e.snapshots import settled
from tests.people import answer_of, pair, refusal_of
from tests.shop import Pair, Shop, data_of, error_of

NOBODY = uuid.UUID(int=0)
DRY = {"Prefer": "dry-run"}
# Bodies of a party's requests, by the end of their path.
BODIES: Mapping[str, Mapping[str, Any]] = {
    "dispute": {"reason": "a reason of words"},
    "withdrawals": {"amount": 1, "destination": OUTSIDE, "commit": True},
}
# Commands of a marketplace by the state in which they are possible.
LIFE: Mapping[str, tuple[str, ...]] = {
    "ORDER_CREATED": ("reserve", "cancel"),
    "FUNDS_RESERVED": ("escrow", "cancel"),
    "ESCROW_CREATING": ("escrow/fund",),
    "IN_PROGRESS": ("resolution/release", "resolution/refund", "resolution/dispute", "deliver"),
}


async def preview(
    shop: Shop, path: str, body: Mapping[str, Any] | None = None, **headers: str
) -> dict[str, Any]:
    """Ask for a preview; returns its data."""
    answer = await shop.post(path, body, Prefer="dry-run", **headers)
    found = data_of(answer, status=200)
    assert answer.headers["Preference-Applied"] == "dry-run"
    assert found["dryRun"] is True
    return found


async def document_of(shop: Shop, path: str) -> dict[str, Any]:
    document: dict[str, Any] = (await shop.client.get(f"{shop.stack.url}{path}")).json()
    return document


async def balances(shop: Shop, sides: Pair) -> dict[str, tuple[str, str]]:
    return {user: await shop.balance(user) for user in (sides.buyer, sides.seller)}


def foretold(found: dict[str, Any], moment: str) -> dict[str, tuple[str, str]]:
    """Return the balances of a preview, before or after."""
    return {
        one["userId"]: (one[moment]["available"], one[moment]["reserved"])
        for one in found["balances"]
    }


def previewed(document: Mapping[str, Any]) -> dict[tuple[str, str], bool]:
    """Map each mutating route of a document to whether it has a preview."""
    return {
        (method.upper(), path): "Preference-Applied"
        in operation["responses"].get("200", {}).get("headers", {})
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method != "get"
    }


async def test_every_mutating_route_previews_or_refuses_and_changes_nothing(shop: Shop) -> None:
    known: list[Route] = [one for one in routes(shop.stack) if one.method != "GET"]
    document = await document_of(shop, "/openapi.json")
    has_preview = previewed(document)
    assert len(known) == len(has_preview) > 20
    client = shop.client
    before = await settled(shop.stack, but_for=NOBODY)

    codes = {}
    for route in known:
        name = unknown_id(route) if route.needs_id else ""
        client.headers.update(DRY)
        try:
            answer = await route.call(client, of=name, key=str(uuid.uuid4()))
        finally:
            del client.headers["Prefer"]
        place = route.method, f"/api/v1{route.path}"
        if answer.is_success:
            assert data_of(answer, status=200)["dryRun"] is True
            codes[place] = "PREVIEWED"
        else:
            codes[place] = error_of(answer, status=answer.status_code)["code"]

    refused = {place for place, code in codes.items() if code == "DRY_RUN_NOT_SUPPORTED"}
    assert refused == {place for place, supports in has_preview.items() if not supports}
    assert {code for place, code in codes.items() if has_preview[place]} <= {
        "ORDER_NOT_FOUND",
        "DISPUTE_NOT_FOUND",
        "WITHDRAWAL_NOT_FOUND",
        "USER_NOT_FOUND",
        "MILESTONE_NOT_FOUND",
        "MANUAL_CREDIT_DISABLED",
        # The only route that names nobody: the marketplace's own fees.
        "PREVIEWED",
    }
    assert await settled(shop.stack, but_for=NOBODY) == before


async def test_every_mutating_route_of_a_party_previews_or_refuses(shop: Shop) -> None:
    document = await document_of(shop, "/party/openapi.json")
    has_preview = previewed(document)
    async with contextlib.AsyncExitStack() as opened:
        personal, _ = await pair(opened, shop)
        before = await settled(shop.stack, but_for=NOBODY)
        codes = {}
        for method, path in has_preview:
            named = path.removeprefix("/api/v1").replace("{order_id}", str(uuid.uuid4()))
            named = named.replace("{offer_id}", str(uuid.uuid4()))
            named = named.replace("{withdrawal_id}", str(uuid.uuid4()))
            body = BODIES.get(named.rpartition("/")[2])
            answer = await personal.client.request(method, named, json=body, headers=DRY)
            codes[method, path] = refusal_of(answer)[1]

        assert has_preview == {
            place: code != "dry_run_not_supported" for place, code in codes.items()
        }
        assert len(codes) > 7
        assert {code for place, code in codes.items() if has_preview[place]} == {
            "order_not_found",
            "withdrawal_not_found",
            "insufficient_funds",
        }
        assert await settled(shop.stack, but_for=NOBODY) == before


async def test_release_does_what_its_preview_says_and_the_preview_changes_nothing(
    shop: Shop,
) -> None:
    sides = await shop.pair(amount="100.00")
    order_id = await shop.order_in("IN_PROGRESS", sides)
    path, key = f"/orders/{order_id}/resolution/release", str(uuid.uuid4())
    before = await settled(shop.stack, but_for=NOBODY)
    then = await balances(shop, sides)

    found = await preview(shop, path, {"requestedBy": "BUYER"})
    same = data_of(await shop.post(f"{path}?dryRun=true", {"requestedBy": "BUYER"}, key=key))

    assert found == same
    assert await settled(shop.stack, but_for=NOBODY) == before
    assert foretold(found, "before") == then
    assert found["order"]["status"] == "CLOSED"
    assert found["order"]["finalStatus"] == "RELEASED"
    assert found["order"]["releasedAmount"] == "80.00"
    assert found["fees"] == {"platform": "0.00", "provider": "0.24", "reimbursed": "0.24"}
    assert found["chainSteps"] == [
        "change_milestone_status",
        "approve_milestone",
        "release_funds",
        "make_good",
    ]
    # The key of the preview was not used up: it may be another request's.
    real = await shop.post(path, {"requestedBy": "SELLER"}, key=key)
    assert data_of(real)["finalStatus"] == "RELEASED"
    assert "Preference-Applied" not in real.headers
    assert await balances(shop, sides) == foretold(found, "after")


async def test_preview_is_refused_as_the_request_is(shop: Shop) -> None:
    sides = await shop.pair(amount="10.00")
    order_id = await shop.order(sides)
    other = await shop.order_in("IN_PROGRESS", await shop.pair(amount="80.00"))
    tries: list[tuple[str, Mapping[str, Any]]] = [
        (f"/orders/{order_id}/reserve", {}),
        (f"/orders/{order_id}/reserve", {"amount": "79.00"}),
        (f"/orders/{order_id}/reserve", {"amount": 80}),
        (f"/orders/{order_id}/resolution/release", {}),
        (f"/orders/{order_id}/escrow", {}),
        (f"/orders/{other}/cancel", {}),
        (f"/orders/{other}/milestones/none/complete", {}),
        ("/withdrawals", {"userId": sides.buyer, "amount": "1.00", "destination": "GNOBODY"}),
    ]
    for path, body in tries:
        foreseen = await shop.post(path, body, Prefer="dry-run")
        refused = await shop.post(path, body)
        assert foreseen.status_code == refused.status_code >= 400, path
        assert foreseen.json() == refused.json()
    poor = {"userId": sides.buyer, "amount": "11.00", "destination": OUTSIDE, "commit": True}
    refusal = error_of(await shop.post("/withdrawals", poor, Prefer="dry-run"), status=422)
    assert refusal["code"] == "INSUFFICIENT_FUNDS"
    assert "withdrawalId" not in refusal["details"]


@pytest.mark.parametrize(
    ("query", "prefer"),
    [
        ("?dryRun=yes", ""),
        ("?dryRun=", ""),
        ("?dryRun=true&dryRun=true", ""),
        ("?dryrun=true", ""),
        ("?dryRun=false", "dry-run"),
        ("", "dry-run=false"),
        ("", "dryrun"),
        ("", "wait=1, Dry_Run"),
    ],
)
async def test_misspelled_wish_for_a_preview_is_refused(
    shop: Shop, query: str, prefer: str
) -> None:
    order_id = await shop.order(await shop.pair())

    headers = {"Prefer": prefer} if prefer else {}
    answer = await shop.post(f"/orders/{order_id}/cancel{query}", {}, **headers)

    assert error_of(answer, status=400)["code"] == "VALIDATION_ERROR"
    assert (await shop.get(f"/orders/{order_id}"))["status"] == "ORDER_CREATED"


async def test_order_is_not_previewed_where_it_is_asked_not_to(shop: Shop) -> None:
    order_id = await shop.order(await shop.pair())

    answer = await shop.post(f"/orders/{order_id}/cancel?dryRun=false", {})

    assert data_of(answer)["status"] == "CLOSED"


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(choices=st.lists(st.integers(0, 11), min_size=8, max_size=8), cents=st.integers(1, 9999))
async def test_random_life_is_what_its_previews_say(
    shop: Shop, choices: list[int], cents: int
) -> None:
    sides = await shop.pair(amount="100.00")
    order_id = await shop.order(sides, amount=f"{cents // 100}.{cents % 100:02d}")
    for choice in choices:
        steps = _steps(await shop.quiet(order_id))
        if not steps:
            break
        path, body = steps[choice % len(steps)]
        found = await preview(shop, path, body)
        assert foretold(found, "before") == await balances(shop, sides)

        data_of(await shop.post(path, body))

        after = await shop.quiet(order_id)
        for field in ("status", "finalStatus", "releasedAmount", "refundedAmount"):
            assert after[field] == found["order"][field], (path, field)
        assert await balances(shop, sides) == foretold(found, "after"), path


def _steps(order: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """List what may be done with an order as it is: paths and bodies."""
    cents = int(order["amount"].replace(".", ""))
    if order["status"] == "DISPUTED":
        path = f"/disputes/{order['dispute']['id']}/resolve"
        ends: list[Mapping[str, Any]] = [{"decision": "FULL_RELEASE"}, {"decision": "FULL_REFUND"}]
        if cents > 1:
            half = cents // 2
            parts = [f"{part // 100}.{part % 100:02d}" for part in (half, cents - half)]
            split = {"releaseAmount": parts[0], "refundAmount": parts[1]}
            ends.append({"decision": "SPLIT", **split})
        return [(path, end) for end in ends]
    is_delivered = order["delivery"] is not None
    return [
        (f"/orders/{order['id']}/{command}", {})
        for command in LIFE.get(order["status"], ())
        if not (command == "deliver" and is_delivered)
    ]


async def test_withdrawal_does_what_its_previews_say(shop: Shop) -> None:
    user = await shop.user()
    await shop.give(user, "10.00")
    body = {"userId": user, "amount": "4.00", "destination": OUTSIDE}
    before = await settled(shop.stack, but_for=NOBODY)

    created = await preview(shop, "/withdrawals", body)
    committed = await preview(shop, "/withdrawals", {**body, "commit": True})

    assert await settled(shop.stack, but_for=NOBODY) == before
    assert created["withdrawal"]["id"] is committed["withdrawal"]["id"] is None
    assert created["withdrawal"]["status"] == "CREATED"
    assert foretold(created, "after") == foretold(created, "before") == {user: ("10.00", "0.00")}
    assert committed["withdrawal"]["status"] == "COMPLETED"
    assert committed["chainSteps"] == ["withdraw"]
    made = data_of(await shop.post("/withdrawals", body), status=201)["id"]
    cancel = await preview(shop, f"/withdrawals/{made}/cancel")
    found = await preview(shop, f"/withdrawals/{made}/commit")
    assert cancel["withdrawal"]["status"] == "CANCELED"
    assert (found["withdrawal"]["id"], found["withdrawal"]["status"]) == (made, "COMPLETED")
    data_of(await shop.post(f"/withdrawals/{made}/commit"))
    assert await shop.balance(user) == foretold(found, "after")[user] == ("6.00", "0.00")


async def test_offer_and_milestone_are_previewed(shop: Shop) -> None:
    sides = await shop.pair(amount="100.00")
    parts = {"draft": "30.00", "final": "50.00"}
    order_id = await shop.order_in("IN_PROGRESS", sides, milestones=parts)
    offer = data_of(
        await shop.post(f"/orders/{order_id}/offers", {"refundAmount": "20.00"}), status=201
    )["id"]
    before = await settled(shop.stack, but_for=NOBODY)

    milestone = await preview(shop, f"/orders/{order_id}/milestones/draft/complete")
    found = await preview(shop, f"/orders/{order_id}/offers/{offer}/accept")

    assert await settled(shop.stack, but_for=NOBODY) == before
    assert milestone["order"]["status"] == "IN_PROGRESS"
    assert milestone["chainSteps"] == ["change_milestone_status", "approve_milestone"]
    assert foretold(milestone, "after") == foretold(milestone, "before")
    data_of(await shop.post(f"/orders/{order_id}/offers/{offer}/accept"))
    assert await balances(shop, sides) == foretold(found, "after")


async def test_party_previews_a_purchase_and_sees_its_own_balance_only(shop: Shop) -> None:
    async with contextlib.AsyncExitStack() as opened:
        personal, business = await pair(opened, shop, amount="200.00")
        order_id = await personal.order(business)
        before = await settled(shop.stack, but_for=NOBODY)

        paying = answer_of(await personal.act(order_id, "pay", Prefer="dry-run"))
        theirs = await business.act(order_id, "pay", Prefer="dry-run")

        assert await settled(shop.stack, but_for=NOBODY) == before
        assert refusal_of(theirs) == (403, "not_personal")
        assert paying["order"]["status"] == "paid"
        assert paying["balance"]["before"] == {"available": 200, "reserved": 0}
        assert paying["balance"]["after"] == {"available": 50, "reserved": 0}
        assert paying["chain_steps"] == ["deploy_escrow", "fund_escrow"]
        answer_of(await personal.act(order_id, "pay"))
        await shop.quiet(order_id)

        confirming = answer_of(await personal.act(order_id, "confirm", Prefer="dry-run"))
        disputing = answer_of(await business.act(order_id, "dispute", Prefer="dry-run"))
        assert confirming["order"]["status"] == "completed"
        assert confirming["order"]["business_income"] == 135
        assert confirming["fees"] == {"platform": 15, "provider": 0.45, "reimbursed": 0.45}
        # The personal user's balance stays; what the business has is not theirs to see.
        assert confirming["balance"]["after"] == confirming["balance"]["before"]
        assert "usr" not in str(confirming)
        assert str(business.id) not in str(confirming)
        assert disputing["order"]["status"] == "disputed"
        assert disputing["balance"]["before"] == {"available": 0, "reserved": 0}
        answer_of(await personal.act(order_id, "confirm"))
        assert await shop.balance(str(business.id)) == ("135.00", "0.00")
