"""The party's OpenAPI document has the routes, answers and refusals of the API contract."""

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.errors import REASONS
from gateway.party import view
from gateway.routing import Operation

# Path and method → what the document says may be answered, and what the project adds to it.
DOCUMENTED = {
    ("/orders/", "POST"): {201, 401, 404, 422},
    ("/orders/", "GET"): {200, 401, 422},
    ("/orders/{order_id}", "GET"): {200, 401, 403, 404},
    ("/orders/{order_id}/deliver", "POST"): {200, 401, 403, 404, 409},
    ("/orders/{order_id}/cancel", "POST"): {200, 401, 403, 404, 409},
    ("/orders/{order_id}/dispute", "POST"): {201, 401, 403, 404, 409, 422},
    ("/orders/{order_id}/dispute", "GET"): {200, 401, 403, 404},
    ("/orders/{order_id}/receipt", "GET"): {200, 401, 403, 404},
    ("/orders/{order_id}/pay", "POST"): {200, 202, 401, 403, 404, 409, 422, 502},
    ("/orders/{order_id}/confirm", "POST"): {200, 202, 401, 403, 404, 409, 502},
    ("/orders/{order_id}/dispute/evidence", "POST"): {200, 401, 403, 404, 409, 422},
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return view.document()


ROUTES = [pytest.param(one, id=f"{one.method} {one.path}") for one in view.OPERATIONS]


def described(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
    return found


@pytest.mark.parametrize(
    ("place", "statuses"),
    DOCUMENTED.items(),
    ids=[f"{place[1]} {place[0]}" for place in DOCUMENTED],
)
def test_every_documented_route_exists_with_its_statuses(
    document: dict[str, Any], place: tuple[str, str], statuses: set[int]
) -> None:
    path, method = place
    responses = document["paths"][f"/api/v1{path}"][method.lower()]["responses"]

    assert statuses <= {int(status) for status in responses}


@pytest.mark.parametrize("operation", ROUTES)
def test_every_answer_and_every_refusal_has_a_model(
    document: dict[str, Any], operation: Operation
) -> None:
    responses = described(document, operation)["responses"]

    for status, response in responses.items():
        (content,) = response["content"].values()
        assert content["schema"], status
        if int(status) >= 400:
            assert content["schema"] == {"$ref": "#/components/schemas/Failure"}
            codes = re.findall("`([^`]+)`", response["description"])
            assert codes
            assert all(code == code.lower() for code in codes)
    assert "400" not in responses


@pytest.mark.parametrize("operation", ROUTES)
def test_every_route_documents_its_token(document: dict[str, Any], operation: Operation) -> None:
    one = described(document, operation)

    assert one["security"] == [{"bearer": []}]
    assert "not_authenticated" in one["responses"]["401"]["description"]


@pytest.mark.parametrize("operation", ROUTES)
def test_every_change_takes_an_idempotency_key(
    document: dict[str, Any], operation: Operation
) -> None:
    names = {one["name"] for one in described(document, operation).get("parameters", ())}

    assert ("Idempotency-Key" in names) is (operation.method != "GET")


def test_amount_schema_uses_keywords_that_all_validators_agree_on(
    document: dict[str, Any],
) -> None:
    amount = document["components"]["schemas"]["CreateOrder"]["properties"]["amount"]

    assert (amount["type"], amount["exclusiveMinimum"]) == ("number", 0)
    assert "At most 2 decimals" in amount["description"]
    assert "multipleOf" not in amount


def test_every_reason_a_route_names_is_known() -> None:
    named = {reason for operation in view.OPERATIONS for reason in operation.refusals}

    assert named - set(REASONS) == set()


async def test_party_pages_are_served_locally_and_link_to_the_marketplaces() -> None:
    app = Starlette(routes=view.page_routes())
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")

    for path in (view.DOCS_PATH, view.REDOC_PATH):
        page = await client.get(path)
        assert page.status_code == 200
        assert re.findall(r"https?://", page.text) == []
        assert 'href="/docs"' in page.text
        assert "/party/openapi.json" in page.text
    assert (await client.get("/party/openapi.json")).json()["info"]["title"].endswith("party API")
