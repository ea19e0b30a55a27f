"""The party API's document, played on a running stack: requests as printed, answers compared."""

import asyncio
import contextlib
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conformance.party_replay import BUSINESS, DISPUTE, ORDER, PERSONAL, RECEIPT, said
from tests.people import JSON, Person, answer_of, meet, refusal_of
from tests.shop import Shop, data_of

CREATE, LIST, GET, DELIVER, CANCEL, DISPUTING, READ_DISPUTE, READ_RECEIPT = (
    "POST /api/v1/orders/",
    "GET /api/v1/orders/",
    "GET /api/v1/orders/{order_id}",
    "POST /api/v1/orders/{order_id}/deliver",
    "POST /api/v1/orders/{order_id}/cancel",
    "POST /api/v1/orders/{order_id}/dispute",
    "GET /api/v1/orders/{order_id}/dispute",
    "GET /api/v1/orders/{order_id}/receipt",
)
TOKEN = "eyJhbGciOiJIUzI1NiIs..."
# Terms are the order's own; the document's orders that are cancelled or disputed have none.
INTENTION = "f6a7b8c9-d0e1-2345-fab0-678901234567"
PLAIN = f'{{"intention_id": "{INTENTION}", "business_id": "%s", "amount": 150.00}}'
Routes = Mapping[str, dict[str, Any]]


@dataclass(kw_only=True)
class Play:
    """The document's people on a stack, and what was answered to its requests."""

    personal: Person
    business: Person
    stranger: Person
    shop: Shop
    routes: Routes
    answers: dict[str, httpx.Response] = field(default_factory=dict)
    ids: dict[str, dict[str, str]] = field(default_factory=dict)

    async def ask(self, route: str, by: Person, order_id: str = "") -> httpx.Response:
        """Send a route's request exactly as printed. order_id: what its order is here."""
        printed = self.routes[route]["request"]
        path = route.partition(" ")[2].replace("{order_id}", order_id)
        if re.match(r"(GET|POST) /", printed):
            first, *headers = printed.splitlines()
            method, path = first.replace(ORDER, order_id).split(" ")
            assert headers == [f"Authorization: Bearer {TOKEN}"]
            answer = await by.client.request(method, path.removeprefix("/api/v1"))
        else:
            url = path.removeprefix("/api/v1")
            answer = await by.client.post(url, content=printed, headers=JSON)
        self.answers[route] = answer
        return answer

    async def plain_order(self) -> str:
        """Create the document's order without terms."""
        made = await self.personal.client.post("/orders/", content=PLAIN % BUSINESS, headers=JSON)
        return str(answer_of(made, status=201)["id"])

    async def plain_delivery(self) -> str:
        """Create the document's order without terms, paid and delivered."""
        order_id = await self.plain_order()
        answer_of(await self.personal.act(order_id, "pay"))
        answer_of(await self.business.act(order_id, "deliver"))
        return order_id


@pytest.fixture(scope="module")
def routes(party: list[dict[str, Any]]) -> Routes:
    """The document's routes by method and path."""
    return {f"{route['method']} {route['path']}": route for route in party}


@pytest.fixture(scope="module")
async def play(shop: Shop, routes: Routes) -> AsyncIterator[Play]:
    """The document's people, who have met the gateway; the personal user has money."""
    async with contextlib.AsyncExitStack() as opened:
        people = [
            await opened.enter_async_context(Person.of(shop.stack, subject=subject))
            for subject in (PERSONAL, BUSINESS, uuid.uuid4())
        ]
        await asyncio.gather(*(meet(person) for person in people))
        await shop.give(str(PERSONAL), "1000.00")
        personal, business, stranger = people
        yield Play(
            personal=personal, business=business, stranger=stranger, shop=shop, routes=routes
        )


@pytest.fixture(scope="module")
async def played(play: Play) -> Play:
    """Every request of the document, sent as printed, in an order that leads to its answers."""
    made = answer_of(await play.ask(CREATE, play.personal), status=201)
    order_id = str(made["id"])
    answer_of(await play.personal.act(order_id, "pay"))
    await play.ask(LIST, play.business)
    await play.ask(GET, play.personal, order_id)
    await play.ask(DELIVER, play.business, order_id)
    release = {"requestedBy": "BUYER", "deltaScore": 8.7}
    data_of(await play.shop.post(f"/orders/{order_id}/resolution/release", release))
    receipt = (await play.ask(READ_RECEIPT, play.business, order_id)).json()
    play.ids = {route: {ORDER: order_id} for route in (CREATE, LIST, GET, DELIVER)}
    play.ids[READ_RECEIPT] = {ORDER: order_id, RECEIPT: receipt["id"]}
    await end_and_dispute(play)
    return play


async def end_and_dispute(play: Play) -> None:
    """Play what is printed of an order that is cancelled, and of two that are disputed."""
    canceled = await play.plain_order()
    await play.ask(CANCEL, play.personal, canceled)
    play.ids[CANCEL] = {ORDER: canceled}
    disputed = await play.plain_delivery()
    opened = (await play.ask(DISPUTING, play.business, disputed)).json()
    play.ids[DISPUTING] = {ORDER: disputed, DISPUTE: opened["id"]}
    # The dispute that is read has one link of the two.
    other = await play.plain_delivery()
    body = json.loads(play.routes[DISPUTING]["request"])
    body["evidence"] = body["evidence"][:1]
    other_opened = await play.business.client.post(f"/orders/{other}/dispute", json=body)
    await play.ask(READ_DISPUTE, play.personal, other)
    play.ids[READ_DISPUTE] = {ORDER: other, DISPUTE: other_opened.json()["id"]}


@pytest.mark.parametrize(
    "route",
    [CREATE, LIST, GET, DELIVER, CANCEL, DISPUTING, READ_DISPUTE, READ_RECEIPT],
)
async def test_the_request_as_printed_is_answered_as_printed(played: Play, route: str) -> None:
    answer = played.answers[route]

    expected = 201 if route in {CREATE, DISPUTING} else 200
    assert answer.status_code == expected, answer.text
    assert said(played.routes[route]["response"], answer.text, ids=played.ids[route]) == []


def test_every_route_of_the_document_was_played(played: Play, routes: Routes) -> None:
    assert set(played.answers) == set(routes)


async def bare(play: Play, route: str, **headers: str) -> httpx.Response:
    """Send a route's request without a token, or with another header."""
    method, path = route.replace("{order_id}", str(uuid.uuid4())).split(" ")
    async with httpx.AsyncClient(base_url=play.shop.stack.url, timeout=60) as client:
        return await client.request(method, path, headers=headers)


async def no_token(play: Play, route: str) -> list[httpx.Response]:
    """Missing or invalid access token."""
    # Without any, a path of both APIs that does not end in /orders/ is the marketplace's.
    is_both = route in {GET, CANCEL}
    missing = [] if is_both else [await bare(play, route)]
    return [*missing, await bare(play, route, Authorization=f"Bearer {TOKEN}")]


async def unknown_business(play: Play, _route: str) -> list[httpx.Response]:
    """No business with the given ID."""
    body = PLAIN % uuid.uuid4()
    return [await play.personal.client.post("/orders/", content=body, headers=JSON)]


async def wrong_order(play: Play, _route: str) -> list[httpx.Response]:
    """Amount must be greater than 0 or missing required fields."""
    right = json.loads(PLAIN % BUSINESS)
    amounts: list[object] = [0, -1, -0.01, 0.001, 150.005, "150.00", True, None, [150]]
    wrong = [right | {"amount": amount} for amount in amounts]
    wrong += [{k: v for k, v in right.items() if k != name} for name in ("amount", "business_id")]
    client = play.personal.client
    texts = [json.dumps(one) for one in wrong]
    texts += [
        (PLAIN % BUSINESS).replace("150.00", text)
        for text in ("NaN", "Infinity", "-Infinity", "1e2", "1E-1", '1, "amount": 2')
    ]
    return [await client.post("/orders/", content=text, headers=JSON) for text in texts]


async def wrong_list(play: Play, _route: str) -> list[httpx.Response]:
    """Invalid role or status_filter value."""
    queries = ("role=seller", "role=", "status_filter=open", "limit=101", "offset=-1")
    return [await play.business.client.get(f"/orders/?{query}") for query in queries]


async def by_stranger(play: Play, route: str) -> list[httpx.Response]:
    """User is not the personal user or business on this order."""
    return [await play.ask(route, play.stranger, played_order(play, route))]


def played_order(play: Play, route: str) -> str:
    return play.ids[route][ORDER]


async def by_other_side(play: Play, route: str) -> list[httpx.Response]:
    """Only the assigned business can deliver; only the personal user can cancel."""
    order_id = await play.plain_order()
    other = play.personal if route == DELIVER else play.business
    return [await play.ask(route, one, order_id) for one in (other, play.stranger)]


async def of_nothing(play: Play, route: str) -> list[httpx.Response]:
    """No order with this ID; and no dispute, no receipt."""
    waiting = await play.plain_order()
    known = [waiting] if route in {READ_DISPUTE, READ_RECEIPT} else []
    return [
        await play.ask(route, play.personal, order_id) for order_id in (str(uuid.uuid4()), *known)
    ]


async def in_wrong_status(play: Play, route: str) -> list[httpx.Response]:
    """Order is not in a deliverable state; cannot be cancelled; has a dispute."""
    by = play.personal if route == CANCEL else play.business
    return [await play.ask(route, by, await wrong_place(play, route))]


async def wrong_place(play: Play, route: str) -> str:
    if route == DELIVER:
        return await play.plain_order()
    return played_order(play, DELIVER if route == CANCEL else DISPUTING)


async def wrong_reason(play: Play, _route: str) -> list[httpx.Response]:
    """Reason must be at least 10 characters."""
    path = f"/orders/{played_order(play, DISPUTING)}/dispute"
    bodies: list[dict[str, Any]] = [{"reason": "012345678"}, {"reason": ""}, {}]
    bodies.append({"reason": "long enough", "evidence": ["http://plain.example"]})
    return [await play.business.client.post(path, json=body) for body in bodies]


# How each row of the document's tables of errors is reached.
Reached = Callable[[Play, str], Awaitable[list[httpx.Response]]]
ROWS: Mapping[tuple[str, str], Reached] = {
    (CREATE, "business_not_found"): unknown_business,
    (CREATE, "validation_error"): wrong_order,
    (LIST, "validation_error"): wrong_list,
    (GET, "not_party"): by_stranger,
    (GET, "order_not_found"): of_nothing,
    (DELIVER, "not_business"): by_other_side,
    (DELIVER, "order_not_found"): of_nothing,
    (DELIVER, "invalid_status_transition"): in_wrong_status,
    (CANCEL, "not_personal"): by_other_side,
    (CANCEL, "order_not_found"): of_nothing,
    (CANCEL, "invalid_status_transition"): in_wrong_status,
    (DISPUTING, "not_party"): by_stranger,
    (DISPUTING, "order_not_found"): of_nothing,
    (DISPUTING, "dispute_already_exists"): in_wrong_status,
    (DISPUTING, "validation_error"): wrong_reason,
    (READ_DISPUTE, "not_party"): by_stranger,
    (READ_DISPUTE, "dispute_not_found"): of_nothing,
    (READ_RECEIPT, "not_party"): by_stranger,
    (READ_RECEIPT, "receipt_not_found"): of_nothing,
    **{
        (route, "not_authenticated"): no_token
        for route in (CREATE, LIST, GET, DELIVER, CANCEL, DISPUTING, READ_DISPUTE, READ_RECEIPT)
    },
}


@pytest.mark.parametrize(("route", "code"), ROWS, ids=str)
async def test_an_error_row_is_answered_with_its_status_and_code(
    played: Play, route: str, code: str
) -> None:
    (row,) = [row for row in played.routes[route]["errors"] if row[1] == code]
    before = dict(played.answers)

    answers = await ROWS[route, code](played, route)

    played.answers = before
    assert answers
    assert [refusal_of(answer) for answer in answers] == [(row[0], code)] * len(answers)


def test_every_error_row_of_the_document_is_reached(routes: Routes) -> None:
    documented = {(name, row[1]) for name, route in routes.items() for row in route["errors"]}

    assert documented == set(ROWS)


async def test_the_tables_of_fields_are_what_the_openapi_document_says(
    play: Play, routes: Routes
) -> None:
    async with httpx.AsyncClient(base_url=play.shop.stack.url) as client:
        document = (await client.get("/party/openapi.json")).json()

    for name, route in routes.items():
        method, path = name.split(" ")
        operation = document["paths"][path][method.lower()]
        tables = route["fields"]
        assert fields_of(tables.get("Request Body", [])) == body_of(operation, document), name
        for where, title in (("query", "Query Parameters"), ("path", "Path Parameters")):
            assert fields_of(tables.get(title, [])) == parameters_of(operation, where, document), (
                name
            )


# A field of the document: whether it is required, its type in the document's words, its default.
Field = tuple[bool, str, Any]
WORDS: Mapping[tuple[str, str], str] = {
    ("string", ""): "str",
    ("string", "uuid"): "UUID",
    ("integer", ""): "int",
    ("number", ""): "float",
    ("object", ""): "dict",
    ("null", ""): "null",
}


def fields_of(rows: list[list[str]]) -> dict[str, Field]:
    """Return each documented field."""
    found = {}
    for name, type_, required, description in rows:
        default = re.search(r"Default `([^`]+)`", description)
        found[name.strip("`")] = (
            required == "Yes",
            type_.strip("`"),
            json.loads(default[1]) if default else None,
        )
    return found


def body_of(operation: dict[str, Any], document: dict[str, Any]) -> dict[str, Field]:
    if "requestBody" not in operation:
        return {}
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    model = meant(schema.get("anyOf", [schema])[0], document)
    required = set(model.get("required", ()))
    return {
        name: (name in required, in_words(one, document), one.get("default"))
        for name, one in model.get("properties", {}).items()
    }


def parameters_of(
    operation: dict[str, Any], where: str, document: dict[str, Any]
) -> dict[str, Field]:
    """Say what the document says of parameters. A path takes ids in both spellings: a text."""
    found = [one for one in operation.get("parameters", ()) if one["in"] == where]
    if where == "path":
        return {one["name"]: (one["required"], "UUID", None) for one in found if is_id(one)}
    return {
        one["name"]: (
            one["required"],
            in_words(one["schema"], document),
            one["schema"].get("default"),
        )
        for one in found
    }


def is_id(parameter: dict[str, Any]) -> bool:
    """Tell whether a path's parameter is told as an id, of no other type than text."""
    return bool(parameter["name"].endswith("_id") and parameter["schema"]["type"] == "string")


def meant(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that a reference names; another one as it is."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][Path(schema["$ref"]).name]
    return found


def in_words(schema: dict[str, Any], document: dict[str, Any]) -> str:
    """Say a schema's type as the document's tables do."""
    one = meant(schema, document)
    if "anyOf" in one:
        return " | ".join(in_words(part, document) for part in one["anyOf"])
    if one["type"] == "array":
        return f"list[{in_words(one['items'], document)}]"
    kind = one.get("format", "") if one.get("format") == "uuid" else ""
    return WORDS[one["type"], kind]
