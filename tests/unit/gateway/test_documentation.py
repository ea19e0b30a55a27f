"""The OpenAPI document describes what the routes do."""

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway import pages
from gateway.errors import REASONS
from gateway.marketplace import view
from gateway.routing import OPEN, Operation
from kernel.version import VERSION


@pytest.fixture(scope="module")
def app() -> Starlette:
    return Starlette(routes=[*view.page_routes(), *pages.index()])


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return view.document()


ROUTES = [pytest.param(one, id=f"{one.method} {one.path}") for one in view.OPERATIONS]


def described(document: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][f"/api/v1{operation.path}"][operation.method.lower()]
    return found


@pytest.mark.parametrize("operation", ROUTES)
def test_every_answer_and_every_refusal_has_a_model(
    document: dict[str, Any], operation: Operation
) -> None:
    responses = described(document, operation)["responses"]

    for status, response in responses.items():
        # A route with a stream may also have a JSON list.
        content, *others = response["content"].values()
        assert bool(others) is (status == "200" and operation.listing is not None)
        assert all(one["schema"] for one in (content, *others)), status
        if int(status) >= 400:
            assert content["schema"] == {"$ref": "#/components/schemas/Failure"}
    assert {"400", "500", "503", "504"} <= set(responses)


@pytest.mark.parametrize("operation", ROUTES)
def test_a_route_with_a_credential_documents_it(
    document: dict[str, Any], operation: Operation
) -> None:
    one = described(document, operation)

    secured = operation.scope != OPEN
    support: list[Any] = [{"supportToken": []}] if operation.support else []
    assert one["security"] == ([{"bearer": []}, {"apiKey": []}, *support] if secured else [])
    assert ({"401", "429"} <= set(one["responses"])) is secured
    assert ("403" in one["responses"]) is (secured and bool(operation.scope))


@pytest.mark.parametrize("operation", ROUTES)
def test_every_change_takes_an_idempotency_key(
    document: dict[str, Any], operation: Operation
) -> None:
    parameters = described(document, operation).get("parameters", ())
    names = {parameter["name"] for parameter in parameters}

    assert ("Idempotency-Key" in names) is (operation.method != "GET")
    assert ("Prefer" in names) is (operation.waits or operation.previews)


@pytest.mark.parametrize("operation", ROUTES)
def test_a_stream_takes_last_event_id(document: dict[str, Any], operation: Operation) -> None:
    parameters = described(document, operation).get("parameters", ())
    found = [one for one in parameters if one["name"] == "Last-Event-ID"]

    assert [one["in"] for one in found] == ["header"] * operation.streams
    for one in found:
        (pattern,) = [kind["pattern"] for kind in one["schema"]["anyOf"] if "pattern" in kind]
        assert re.fullmatch(pattern, "17-evt_1AbC")
        assert not re.fullmatch(pattern, "0-evt_1AbC")


def headers_of(document: dict[str, Any], operation: Operation, status: int) -> dict[str, bool]:
    """Map the headers of an answer to whether they are always sent."""
    found = described(document, operation)["responses"].get(str(status), {}).get("headers", {})
    return {name: one["required"] for name, one in found.items()}


@pytest.mark.parametrize("operation", ROUTES)
def test_documented_headers_of_refusals_match_the_sent_ones(
    document: dict[str, Any], operation: Operation
) -> None:
    counted = operation.scope != OPEN

    wrong = headers_of(document, operation, 400)
    assert wrong.get("X-RateLimit-Limit") is (False if counted else None)
    assert "Idempotent-Replayed" not in wrong
    assert "X-RateLimit-Limit" not in headers_of(document, operation, 401)
    if operation.changes:
        conflict = headers_of(document, operation, 409)
        assert conflict["Retry-After"] is conflict["Idempotent-Replayed"] is False
        assert conflict["X-RateLimit-Remaining"] is False
    assert headers_of(document, operation, 503)["Retry-After"] is True


def test_every_reason_a_route_names_is_known() -> None:
    named = {reason for operation in view.OPERATIONS for reason in operation.refusals}

    assert named - set(REASONS) == set()


def test_every_reference_has_a_schema_and_every_schema_is_used(
    document: dict[str, Any],
) -> None:
    schemas = set(document["components"]["schemas"])

    wanted = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))

    assert wanted == schemas


async def test_pages_and_their_assets_are_served_locally(app: Starlette) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")

    for path, others in (("/docs", 5), ("/redoc", 4)):
        page = await client.get(path)
        assert page.status_code == 200
        assert re.findall(r"https?://", page.text) == []
        links = re.findall(r"""(?:src|href)="([^"]+)\"""", page.text)
        assert len(links) == others
        links.remove("/docs/party")
        for link in [*links, "/openapi.json"]:
            assert (await client.get(link)).status_code == 200, link


async def test_first_page_links_to_every_page(app: Starlette) -> None:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway")

    page = await client.get("/")

    assert set(re.findall(r"""<a href="([^"]+)\"""", page.text)) == set(pages.LINKS)
    assert f"Version {VERSION}." in page.text
