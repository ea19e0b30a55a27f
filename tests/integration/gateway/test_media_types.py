"""The content type, charset and content encoding of a body."""

import json

import httpx
import pytest

from .conftest import Services
from .messages import an_order
from .test_access import refusal
from .test_strictness import CREATE, JSON, changed


@pytest.mark.parametrize(
    "declared",
    [
        "application/json;",
        "application/json; charset=utf8",
        "application/json;charset=ISO-8859-1",
        "application/json; charset=utf-16; version=1.0",
        'Application/JSON ; q="a;b"',
        "application/json;;",
    ],
)
async def test_parameters_of_a_content_type_have_no_effect(
    rest: httpx.AsyncClient, services: Services, declared: str
) -> None:
    services.orders.answers["CreateOrder"] = an_order()

    answer = await rest.post(
        "/api/v1/orders", content=changed(title="é"), headers={"content-type": declared}
    )

    assert answer.status_code == 201
    assert services.orders.last("CreateOrder").title == "é"


@pytest.mark.parametrize(
    "declared",
    ["application/jsonp", "application/json+x", "application/json, text/plain", "json", ";", "*/*"],
)
async def test_a_token_of_another_type_is_refused(
    rest: httpx.AsyncClient, services: Services, declared: str
) -> None:
    headers = {"content-type": declared}
    answer = await rest.post("/api/v1/orders", content=changed(), headers=headers)

    refusal(answer, 415, "VALIDATION_ERROR")
    assert services.orders.asked == []


@pytest.mark.parametrize(
    ("coding", "status"),
    [("identity", 201), ("", 201), ("Identity", 201), ("gzip", 415), ("br, identity", 415)],
)
async def test_a_compressed_body_is_refused(
    rest: httpx.AsyncClient, services: Services, coding: str, status: int
) -> None:
    services.orders.answers["CreateOrder"] = an_order()
    headers = {**JSON, "content-encoding": coding}

    answer = await rest.post("/api/v1/orders", content=changed(), headers=headers)

    assert answer.status_code == status
    if status == 415:
        assert refusal(answer, 415, "VALIDATION_ERROR")["fields"][0]["field"] == "Content-Encoding"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-32"])
async def test_bytes_that_are_not_utf_8_are_refused(rest: httpx.AsyncClient, encoding: str) -> None:
    content = json.dumps({**CREATE, "title": "é"}, ensure_ascii=False).encode(encoding)
    headers = {"content-type": f"application/json; charset={encoding}"}

    answer = await rest.post("/api/v1/orders", content=content, headers=headers)

    refusal(answer, 400, "VALIDATION_ERROR")
