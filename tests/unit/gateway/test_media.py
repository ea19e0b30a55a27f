"""The Accept header chooses between a path's event stream and its JSON list."""

import pytest

from gateway.media import prefers_json


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/*",
        "application/json, text/plain, */*",
        "text/event-stream;q=0.5, application/json",
        "text/event-stream; q=0, application/json;q=0.001",
        "text/html, application/json;Q=0.9",
    ],
)
def test_client_that_prefers_json_gets_the_list(accept: str) -> None:
    assert prefers_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/event-stream",
        "text/event-stream, application/json",
        "application/json;q=0.9, text/event-stream",
        "application/json;q=0",
        "application/json;q=0.000, */*",
        "application/jsonp",
        "text/*",
        ";;,,q=1",
    ],
)
def test_any_other_accept_header_gets_the_stream(accept: str) -> None:
    assert not prefers_json(accept)
