"""Two marketplaces on one stack: neither can see, change or learn anything of the other.

The tests are generated from the OpenAPI document, so a new route is tested or fails a test. The
other marketplace is once one of another name, and once the test environment of the same name.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from gateway.keys import SCOPES, KeyStore, make
from tests.e2e.routes import (
    ANY_SCOPE,
    AS_LIST,
    LISTS,
    MILESTONE,
    NOT_FOUND,
    OPEN,
    STATES,
    TEST_ONLY,
    Route,
    both_spellings,
    routes,
    unknown_id,
)
from tests.e2e.snapshots import settled
from tests.e2e.tenants import (
    Tenant,
    a_withdrawal,
    a_withdrawal_to_approve,
    client_of,
    fee_withdrawals,
    key_store,
    makers_of,
    prepare,
    tenant,
    user_spellings,
    webhooks_to_act_on,
)
from tests.people import refusal_of
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, error_of

# Of both APIs, the party API alone documents these; without a credential, it answers.
PARTY_DOCUMENTED = frozenset({"/orders/{id}/deliver"})


@dataclass(slots=True)
class Owned:
    """The objects of a marketplace: for each path with an id, the ids that it can act on."""

    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, *spellings: str) -> None:
        self.ids.setdefault(path, []).extend(spellings)

    @property
    def names(self) -> set[str]:
        return {name for names in self.ids.values() for name in names}


@pytest.fixture(scope="module")
async def store(stack: RunningStack) -> AsyncIterator[KeyStore]:
    async with key_store(stack) as opened:
        yield opened


@pytest.fixture(scope="module")
def document(stack: RunningStack) -> list[Route]:
    return routes(stack)


@pytest.fixture(scope="module", params=["another marketplace", "its own test environment"])
async def stranger(request: pytest.FixtureRequest, stack: RunningStack, store: KeyStore) -> Tenant:
    """The other marketplace, which must not reach the objects."""
    if request.param == "another marketplace":
        made = await tenant(stack, store)
    else:
        made = await tenant(stack, store, name="demo", environment="test")
    made.allow_credits()
    return made


@pytest.fixture(scope="module")
async def theirs(stranger: Tenant) -> AsyncIterator[Shop]:
    """A client of the other marketplace, with every scope."""
    async with stranger.shop() as opened:
        yield opened


@pytest.fixture(scope="module")
async def owned(shop: Shop, document: list[Route]) -> Owned:
    """Objects of the demo marketplace for each route."""
    pair, found = await shop.pair(amount="100.00"), Owned()
    users = [user_spellings(shop, name) for name in (pair.buyer, pair.seller)]
    made = data_of(await shop.post("/auth/api-keys", {"scopes": ["read"]}), status=201)
    for route in document:
        if route.needs_id and route.kind in {"users", "balances"}:
            found.add(route.path, *users[0], *users[1])
    found.add("/auth/api-keys/{id}", made["id"])
    makers = makers_of(shop, pair.buyer)
    for route in document:
        if route.needs_id and route.kind in makers:
            found.add(route.path, *both_spellings(await makers[route.kind]()))
    orders = await asyncio.gather(
        *(shop.order_in(state, pair, amount="1.00") for state in STATES.values())
    )
    for path, order_id in zip(STATES, orders, strict=True):
        name = order_id
        if path.startswith("/disputes"):
            name = (await shop.get(f"/orders/{order_id}"))["dispute"]["id"]
        found.add(path, *both_spellings(name))
    return found


def test_every_route_declares_who_may_call_it(document: list[Route]) -> None:
    unsaid = [
        route.name
        for route in document
        if route.path not in OPEN | ANY_SCOPE
        and not (route.is_secured and len(route.scopes) == 1 and route.scopes <= set(SCOPES))
    ]

    assert unsaid == []
    assert {route.path for route in document if not route.is_secured} == OPEN
    assert {route.path for route in document if route.is_secured and not route.scopes} == ANY_SCOPE


async def test_objects_of_another_marketplace_are_not_found_or_changed(
    document: list[Route], owned: Owned, stranger: Tenant, theirs: Shop
) -> None:
    with_id = [route for route in document if route.needs_id]
    assert {route.path for route in with_id} == set(owned.ids), "a route has nothing to be tried on"
    before = await settled(theirs.stack, but_for=stranger.id)
    found: list[str] = []

    for route in with_id:
        nothing = unknown_id(route)
        unknown = await route.call(theirs.client, of=nothing)
        assert error_of(unknown, status=404)["code"] == NOT_FOUND[route.kind], route.name
        for name in owned.ids[route.path]:
            answer = await route.call(theirs.client, of=name)
            # Not a word more than about what does not exist at all.
            if (answer.status_code, answer.text.replace(name, nothing)) != (404, unknown.text):
                found.append(f"{route.name} {name}: {answer.status_code} {answer.text}")

    assert found == []
    assert await settled(theirs.stack, but_for=stranger.id) == before


def told(answer: httpx.Response) -> str:
    """Return what an answer tells. The log repeats the paths that its reader asked for."""
    return re.sub(r'"path":"[^"]*"', "", answer.text)


async def test_lists_show_nothing_of_another_marketplace(
    document: list[Route], owned: Owned, theirs: Shop
) -> None:
    listed = [
        route
        for route in document
        if route.method == "GET" and not route.needs_id and route.has_cursor
    ]
    assert {route.path for route in listed} == LISTS
    order = next(name for name in owned.ids["/orders/{id}"])
    user = next(name for name in owned.ids["/users/{id}"])
    queries = [
        *(f"{route.path}?limit=100" for route in listed),
        *(f"/orders?{side}={user}" for side in ("buyerId", "sellerId")),
        f"/withdrawals?userId={user}",
        f"/disputes?orderId={order}",
    ]

    for query in queries:
        answer = await theirs.client.get(query, headers=AS_LIST)
        # A filter may also say that there is no such user.
        if "=" + user in query and answer.status_code == 404:
            continue
        assert answer.status_code == 200, answer.text
        assert [name for name in owned.names if name in told(answer)] == [], query


async def test_orders_with_users_of_another_marketplace_are_refused(
    owned: Owned, stranger: Tenant, theirs: Shop
) -> None:
    own = await theirs.user()
    before = await settled(theirs.stack, but_for=stranger.id)

    for foreign in owned.ids["/users/{id}"]:
        for buyer, seller in ((foreign, own), (own, foreign)):
            body = {"buyerId": buyer, "sellerId": seller, "amount": "1.00", "title": "Logo"}
            answer = await theirs.post("/orders", body)
            assert error_of(answer, status=404)["code"] == "USER_NOT_FOUND"

    assert await settled(theirs.stack, but_for=stranger.id) == before


async def test_same_ids_in_another_marketplace_are_different_users(
    shop: Shop, theirs: Shop
) -> None:
    ours = await shop.user()
    await shop.give(ours, "5.00")

    assert await theirs.user(ours) == ours

    assert await theirs.balance(ours) == ("0.00", "0.00")
    assert await shop.balance(ours) == ("5.00", "0.00")
    addresses = [(await one.get(f"/users/{ours}/wallet"))["publicKey"] for one in (shop, theirs)]
    assert addresses[0] != addresses[1]


async def test_same_idempotency_key_in_another_marketplace_is_a_different_request(
    shop: Shop, theirs: Shop
) -> None:
    key = str(uuid.uuid4())
    first = await shop.post("/users", {"externalUserId": f"one-{key}"}, key=key)

    second = await theirs.post("/users", {"externalUserId": f"two-{key}"}, key=key)

    assert data_of(second, status=201)["id"] != data_of(first, status=201)["id"]
    assert "Idempotent-Replayed" not in second.headers


@pytest.mark.slow
async def test_key_and_reference_are_scoped_to_the_marketplace_on_every_mutating_route(
    document: list[Route], stack: RunningStack, store: KeyStore, theirs: Shop
) -> None:
    home = await tenant(stack, store)
    home.allow_credits()
    async with home.shop() as ours:
        assert await mixed_up(document, (ours, theirs)) == []


async def mixed_up(document: list[Route], shops: tuple[Shop, Shop]) -> list[str]:
    """Call each mutating route with one key in both marketplaces; returns routes that mix them."""
    names = [await brought(one) for one in shops]
    reference, mixed = f"ref-{uuid.uuid4().hex}", []
    changing = [one for one in document if one.method == "POST" and one.path not in TEST_ONLY]
    assert {route.path for route in changing if route.needs_id} <= set(names[0])
    for route in changing:
        key, answers = str(uuid.uuid4()), []
        for one, own in zip(shops, names, strict=True):
            changed = own_fields(route, own, reference)
            answers.append(
                await route.call(one.client, of=own.get(route.path, ""), key=key, changed=changed)
            )
        # Each is carried out: nobody is given the other's answer, or told that the key is used.
        first, second = answers
        said = [data_of(answer) for answer in answers]
        is_apart = not any("Idempotent-Replayed" in answer.headers for answer in answers)
        if not is_apart or said[0] == said[1] or first.status_code != second.status_code:
            mixed.append(f"{route.name}: {first.text} {second.text}")
    return mixed


async def brought(shop: Shop) -> dict[str, str]:
    """Create objects for each mutating route, and a buyer and a seller."""
    pair = await shop.pair(amount="100.00")
    found = dict.fromkeys(("buyer", "/users/{id}/balance/credit"), pair.buyer)
    found |= {"seller": pair.seller, **await fee_withdrawals(shop)}
    for path in ("/withdrawals/{id}/commit", "/withdrawals/{id}/cancel"):
        found[path] = await a_withdrawal(shop, pair.buyer)
    found |= await webhooks_to_act_on(shop)
    found["/withdrawals/{id}/approve"] = await a_withdrawal_to_approve(shop, pair.buyer)
    orders = await asyncio.gather(
        *(
            shop.order_in(
                state,
                pair,
                amount="1.00",
                milestones={MILESTONE: "1.00"} if "{ref}" in path else None,
            )
            for path, state in STATES.items()
        )
    )
    for path, order_id in zip(STATES, orders, strict=True):
        order = await shop.get(f"/orders/{order_id}")
        found[path] = order["dispute"]["id"] if path.startswith("/disputes") else order_id
        await prepare(shop, path, found[path])
        if "{offerId}" in path:
            made = await shop.post(f"/orders/{order_id}/offers", {"refundAmount": "0.40"})
            found[path] = f"{order_id} {data_of(made, status=201)['id']}"
    return found


def own_fields(route: Route, own: Mapping[str, str], reference: str) -> dict[str, str]:
    """Return fields of a route's body: the marketplace's own users, and the shared reference."""
    if route.path == "/orders":
        sides = {"buyerId": own["buyer"], "sellerId": own["seller"]}
        return {**sides, "clientOrderRef": reference}
    if route.path == "/withdrawals":
        return {"userId": own["buyer"], "reference": reference}
    if route.path == "/users":
        return {"externalUserId": reference}
    return {"reference": reference} if route.path.endswith("/balance/credit") else {}


async def test_cursor_of_another_marketplace_shows_nothing_of_it(
    document: list[Route], shop: Shop, theirs: Shop, owned: Owned
) -> None:
    mine, own = await theirs.pair(amount="5.00"), owned.ids["/users/{id}"][0]
    tried = []
    for route in (route for route in document if route.has_cursor):
        ours, other = (route.path.replace("{id}", name) for name in (own, mine.buyer))
        page = (await shop.client.get(ours, params={"limit": 1}, headers=AS_LIST)).json()
        if page.get("nextCursor") is None:
            continue
        tried.append(route.path)
        query = {"limit": 100, "cursor": page["nextCursor"]}
        answer = await theirs.client.get(other, params=query, headers=AS_LIST)
        assert answer.status_code in {200, 400}, answer.text
        assert [name for name in owned.names if name in told(answer)] == [], route.path

    assert {"/orders", "/users", "/disputes", "/auth/api-keys", "/events"} <= set(tried)


async def test_event_stream_has_no_events_of_another_marketplace(
    shop: Shop, theirs: Shop, owned: Owned
) -> None:
    # From the very first event of all on: a place in the stream that cannot be known again.
    everything = {"Last-Event-ID": "1-evt_0"}
    async with theirs.client.stream("GET", "/events", headers=everything) as stream:
        ours, own = await shop.user(), await theirs.user()
        told: list[str] = []
        async with asyncio.timeout(60):
            async for line in stream.aiter_lines():
                told.append(line)
                if "wallet.created" in line and own in "".join(told[-4:]):
                    break

    text = "\n".join(told)
    assert own in text
    assert [name for name in {*owned.names, ours} if name in text] == []
    owners = {
        json.loads(line.removeprefix("data: "))["metadata"]["marketplaceId"]
        for line in told
        if line.startswith('data: {"')
    }
    assert len(owners) == 1


async def test_key_without_the_scope_is_refused_on_every_route(
    document: list[Route], owned: Owned, stack: RunningStack, store: KeyStore
) -> None:
    home = await tenant(stack, store, name="demo")
    for scope in SCOPES:
        others = sorted(set(SCOPES) - {scope})
        async with home.shop(*others) as shop:
            for route in (route for route in document if route.scopes == {scope}):
                name = owned.ids[route.path][0] if route.needs_id else ""
                answer = await route.call(shop.client, of=name)
                error = error_of(answer, status=403)
                assert error["code"] == "INSUFFICIENT_SCOPE", route.name
                expected = {"required_scope": scope, "current_scopes": others}
                assert error["details"] == expected, route.name


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "UNAUTHORIZED"),
        ({"Authorization": "Bearer ohk_live_nonsense"}, "INVALID_API_KEY"),
        ({"Authorization": f"Bearer {make('live')[1]}"}, "INVALID_API_KEY"),
        ({"x-api-key": make("test")[1]}, "INVALID_API_KEY"),
    ],
)
async def test_every_route_refuses_invalid_credentials(
    document: list[Route], owned: Owned, stack: RunningStack, headers: dict[str, str], code: str
) -> None:
    async with client_of(stack, None) as nobody:
        nobody.headers.update(headers)
        for route in (route for route in document if route.path not in OPEN):
            name = owned.ids[route.path][0] if route.needs_id else ""
            answer = await route.call(nobody, of=name)
            if not headers and route.path in PARTY_DOCUMENTED:
                assert refusal_of(answer) == (401, "not_authenticated")
            else:
                assert error_of(answer, status=401)["code"] == code, route.name
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_revoked_key_is_refused_on_every_route(
    document: list[Route], owned: Owned, shop: Shop, stack: RunningStack
) -> None:
    made = data_of(await shop.post("/auth/api-keys", {"scopes": list(SCOPES)}), status=201)
    async with client_of(stack, made["key"]) as revoked:
        assert (await revoked.get("/me")).status_code == 200
        gone = await shop.client.delete(f"/auth/api-keys/{made['id']}")
        assert data_of(gone, status=200)["revokedAt"] is not None

        for route in (route for route in document if route.path not in OPEN):
            name = owned.ids[route.path][0] if route.needs_id else ""
            answer = await route.call(revoked, of=name)
            assert error_of(answer, status=401)["code"] == "INVALID_API_KEY", route.name
