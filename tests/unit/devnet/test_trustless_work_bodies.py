"""Bodies of the REST API: exact numbers, every problem named; the request limit."""

import json
from typing import Any

import pytest

from devnet.trustless_work.bodies import BadBodyError, decode
from devnet.trustless_work.throttle import Throttle


def body_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("text", "minor_units"),
    [("80", 800_000_000), ("80.00", 800_000_000), ("0.0000001", 1), ("1e2", 1_000_000_000)],
)
def test_an_amount_is_read_exactly(text: str, minor_units: int) -> None:
    body = decode(f'{{"amount": {text}}}'.encode())

    assert body.amount("amount") == minor_units
    body.check()


@pytest.mark.parametrize(
    "text", ["0", "-1", "0.00000001", '"80"', "true", "null", "1e400", "1e-400", "[]"]
)
def test_the_error_names_a_wrong_amount(text: str) -> None:
    body = decode(f'{{"amount": {text}}}'.encode())

    body.amount("amount")

    with pytest.raises(BadBodyError, match="amount must be"):
        body.check()


@pytest.mark.parametrize(("text", "basis_points"), [("0", 0), ("5", 500), ("0.25", 25)])
def test_a_percentage_becomes_basis_points(text: str, basis_points: int) -> None:
    body = decode(f'{{"platformFee": {text}}}'.encode())

    assert body.percent("platformFee") == basis_points
    body.check()


@pytest.mark.parametrize("text", ["100.01", "0.001", "-1", '"5"'])
def test_the_error_names_a_wrong_percentage(text: str) -> None:
    body = decode(f'{{"platformFee": {text}}}'.encode())

    body.percent("platformFee")

    with pytest.raises(BadBodyError, match="platformFee"):
        body.check()


def test_an_index_is_a_string() -> None:
    assert decode(body_of(milestoneIndex="3")).index("milestoneIndex") == 3

    body = decode(body_of(milestoneIndex=3))
    body.index("milestoneIndex")
    with pytest.raises(BadBodyError, match="numeric string"):
        body.check()


def test_all_problems_are_reported_with_their_paths() -> None:
    body = decode(body_of(roles={"approver": "GABC"}, milestones=[{"description": ""}, 1]))

    body.inner("roles").account("approver")
    for item in body.items("milestones"):
        item.text("description")

    with pytest.raises(BadBodyError) as raised:
        body.check()
    assert raised.value.problems == [
        "roles.approver must be a valid Stellar address",
        "milestones.1 must be an object",
        "milestones.0.description must be a non-empty string",
    ]


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b'{"amount": NaN}', b"[" * 5000])
def test_a_value_that_is_not_an_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadBodyError, match="body must be"):
        decode(raw)


def test_the_fifty_first_request_of_a_minute_is_refused() -> None:
    now = [0.0]
    throttle = Throttle(limit=50, clock=lambda: now[0])

    admitted = [throttle.admit("key") for _ in range(51)]

    assert admitted == [True] * 50 + [False]
    assert throttle.admit("another key")
    now[0] = 60.0
    assert throttle.admit("key")


def test_no_limit_admits_everything() -> None:
    throttle = Throttle(limit=0)

    assert all(throttle.admit("key") for _ in range(100))


def test_an_optional_text_may_be_absent() -> None:
    body = decode(body_of())

    assert body.text("newEvidence", optional=True) == ""
    body.check()


@pytest.mark.parametrize(("method", "value"), [("contract", "CABC"), ("asset_code", "U$DC")])
def test_the_error_names_a_wrong_name(method: str, value: str) -> None:
    body = decode(body_of(field=value))

    getattr(body, method)("field")

    with pytest.raises(BadBodyError, match="field must be"):
        body.check()
