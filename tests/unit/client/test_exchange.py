"""Which requests are retried, and how answers become results or errors."""

import json
from typing import Any

import pytest

from client import codes, errors, exchange
from client.exchange import Answer

FAILED = errors.ConnectionFailed("lost")


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


def refused(status: int, code: str, **details: Any) -> Answer:
    body = {"success": False, "error": {"code": code, "message": "No.", "details": details}}
    return answer(status, body, x_request_id="req_1")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_refusal_is_retried(status: int) -> None:
    assert exchange.pause_before_next(answer(status), attempt=1, retries=1) is not None
    assert exchange.pause_before_next(answer(status), attempt=2, retries=1) is None


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 404, 409, 413, 422])
def test_final_answer_is_not_retried(status: int) -> None:
    assert exchange.pause_before_next(answer(status), attempt=1, retries=4) is None


def test_lost_connection_is_retried() -> None:
    assert exchange.pause_before_next(FAILED, attempt=4, retries=4) is not None
    assert exchange.pause_before_next(FAILED, attempt=5, retries=4) is None


@pytest.mark.parametrize("code", ["IDEMPOTENCY_KEY_IN_PROGRESS", "idempotency_key_in_progress"])
def test_request_in_progress_is_retried(code: str) -> None:
    assert exchange.pause_before_next(refused(409, code), attempt=1, retries=1) is not None
    assert exchange.pause_before_next(refused(409, "INVALID_STATE"), attempt=1, retries=1) is None


def test_pauses_grow_to_a_limit_with_jitter() -> None:
    pauses = [[exchange.pause_seconds(attempt) for _ in range(50)] for attempt in range(1, 9)]

    for number, of_attempt in enumerate(pauses):
        longest = min(exchange.LONGEST_PAUSE_SECONDS, exchange.FIRST_PAUSE_SECONDS * 2**number)
        assert all(longest / 2 <= pause <= longest for pause in of_attempt)
        assert len(set(of_attempt)) > 1


def test_retry_after_of_the_server_is_used() -> None:
    assert exchange.pause_before_next(answer(429, retry_after="7"), attempt=1, retries=4) == 7
    # A longer wait than a caller expects is not done: the caller decides.
    assert exchange.pause_before_next(answer(429, retry_after="3600"), attempt=1, retries=4) is None
    assert exchange.pause_before_next(answer(429, retry_after="soon"), attempt=1, retries=4)


def test_a_change_has_a_new_idempotency_key_unless_one_is_given() -> None:
    made = [
        exchange.changing("POST", "/users", body={}, idempotency_key=None).headers for _ in range(2)
    ]
    given = exchange.changing("POST", "/users", body=None, idempotency_key="mine", wait_seconds=5)

    assert made[0]["Idempotency-Key"] != made[1]["Idempotency-Key"]
    assert given.headers == {"Idempotency-Key": "mine", "Prefer": "wait=5"}
    assert given.content is None


def test_query_omits_empty_values_and_path_segments_are_escaped() -> None:
    asked = exchange.reading("/orders", {"limit": 5, "status": None, "force": True})

    assert asked.query == {"limit": "5", "force": "true"}
    assert exchange.segment("a/../b?c") == "a%2F..%2Fb%3Fc"


def test_a_success_is_read_without_its_envelope() -> None:
    enveloped = exchange.result(answer(200, {"success": True, "data": {"id": "ord_1"}}))

    assert exchange.data(enveloped) == {"id": "ord_1"}
    assert exchange.data(exchange.result(answer(201, {"id": "1"}))) == {"id": "1"}
    assert exchange.result(answer(204)) is None


def test_a_refusal_is_raised_as_the_class_of_its_code() -> None:
    with pytest.raises(codes.InsufficientFunds) as caught:
        exchange.result(refused(422, "INSUFFICIENT_FUNDS", available="1.00"))

    error = caught.value
    assert isinstance(error, errors.InvalidRequest)
    assert (error.status, error.code, error.request_id) == (422, "INSUFFICIENT_FUNDS", "req_1")
    assert error.details == {"available": "1.00"}
    assert str(error) == "422 INSUFFICIENT_FUNDS: No. [req_1]"


def test_a_refusal_of_the_party_api_is_read_too() -> None:
    fields = [{"field": "amount", "message": "must be positive"}]
    body = {"code": "validation_error", "message": "No.", "detail": {"a": 1}, "errors": fields}

    with pytest.raises(codes.ValidationError) as caught:
        exchange.result(answer(422, body))

    assert (caught.value.details, caught.value.fields) == ({"a": 1}, fields)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (401, errors.NotAuthenticated),
        (403, errors.NotPermitted),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (418, errors.InvalidRequest),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (302, errors.InvalidRequest),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 1}', b"\xff", b"[" * 10**5])
def test_answer_of_an_intermediary_is_raised_by_its_status(
    status: int, kind: type[errors.APIError], body: bytes
) -> None:
    with pytest.raises(kind) as caught:
        exchange.result(Answer(status, {}, body))

    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 10**5])
def test_a_success_that_is_not_json_is_an_unknown_outcome(body: bytes) -> None:
    with pytest.raises(errors.ServerError):
        exchange.result(Answer(200, {}, body))


def test_every_code_of_both_apis_has_a_class() -> None:
    assert {"INSUFFICIENT_FUNDS", "ORDER_NOT_FOUND", "BUSINESS_NOT_FOUND"} <= set(codes.CLASSES)
    assert len(set(codes.CLASSES.values())) == len(codes.CLASSES)
    assert all(kind.__doc__ == f"`{code}`." for code, kind in codes.CLASSES.items())


def test_pages_follow_a_cursor_or_an_offset() -> None:
    cursor = {"success": True, "data": [1], "hasMore": True, "nextCursor": "c"}
    offset = {"items": [1, 2], "total": 5}

    assert exchange.next_query({"limit": 1}, cursor) == {"limit": 1, "cursor": "c"}
    assert exchange.next_query({}, {**cursor, "nextCursor": None}) is None
    assert exchange.next_query({}, offset) == {"offset": 2}
    assert exchange.next_query({"offset": 4}, {**offset, "items": [5]}) is None
    # A list that shrank while it was read ends.
    assert exchange.next_query({"offset": 2}, {"items": [], "total": 5}) is None
