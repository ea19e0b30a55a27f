"""Which API answers which credential: tokens, keys, none; and the pages of both APIs."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.people import Person, answer_of, pair, refusal_of
from tests.shop import Shop, error_of


@pytest.fixture(scope="module")
async def people(shop: Shop) -> AsyncIterator[tuple[Person, Person]]:
    """A personal user and a business."""
    async with contextlib.AsyncExitStack() as opened:
        yield await pair(opened, shop)


async def anonymous(shop: Shop, method: str, path: str, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"{shop.stack.url}/api/v1", timeout=60) as client:
        return await client.request(method, path, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders/"),
        ("POST", "/orders/"),
        ("POST", "/orders/x/deliver"),
        ("POST", "/orders/x/pay"),
        ("POST", "/orders/x/confirm/"),
        ("GET", "/orders/x/dispute"),
        ("POST", "/orders/x/dispute/evidence"),
        ("POST", "/orders/x/dispute/messages"),
        ("GET", "/orders/x/dispute/messages"),
        ("GET", "/orders/x/receipt"),
    ],
)
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "Bearer a.b.c", "Basic eA=="])
async def test_invalid_token_is_refused_in_the_party_apis_format(
    shop: Shop, method: str, path: str, authorization: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = await anonymous(shop, method, path, **headers)

    assert refusal_of(answer) == (401, "not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/x"),
        ("POST", "/orders/x/cancel"),
        ("POST", "/orders/x/reserve"),
    ],
)
async def test_shared_path_without_a_credential_answers_as_marketplace_api(
    shop: Shop, method: str, path: str
) -> None:
    assert error_of(await anonymous(shop, method, path), status=401)["code"] == "UNAUTHORIZED"


async def test_credential_chooses_the_api_of_a_shared_path(
    shop: Shop, people: tuple[Person, Person]
) -> None:
    order_id = await people[0].order(people[1], amount="1.00")

    theirs: dict[str, Any] = answer_of(await people[0].act(order_id, "get"))
    ours = await shop.get(f"/orders/{order_id}/")

    assert (theirs["status"], ours["status"]) == ("pending_payment", "ORDER_CREATED")
    assert refusal_of(await people[0].client.get("/users")) == (404, "not_found")
    assert refusal_of(await people[0].client.post(f"/orders/{order_id}/reserve"))[0] == 404
    assert refusal_of(await people[0].client.delete(f"/orders/{order_id}"))[0] == 405
    assert answer_of(await people[0].client.get("/health"))["success"] is True


async def test_token_of_a_megabyte_is_refused(shop: Shop) -> None:
    long = f"Bearer eyJ{'a' * 1_000_000}.a.a"

    assert refusal_of(await anonymous(shop, "GET", "/orders/", Authorization=long)) == (
        431,
        "validation_error",
    )


async def test_docs_link_to_both_api_references(shop: Shop) -> None:
    async with httpx.AsyncClient(base_url=shop.stack.url) as client:
        page = await client.get("/docs")
        assert 'href="/docs/party"' in page.text
        party = await client.get("/docs/party")
        document = await client.get("/party/openapi.json")

    assert 'href="/docs"' in party.text
    assert "/api/v1/orders/{order_id}/receipt" in document.json()["paths"]
    assert "/api/v1/orders/{id}/reserve" not in document.json()["paths"]
