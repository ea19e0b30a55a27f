"""Numbers of the party API are read and printed exactly."""

import decimal
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.body import BodyNotValid, parse, to_json
from gateway.party import numbers
from kernel.money import CENT, LARGEST

NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?\Z")


def read(text: str) -> Any:
    """Read one JSON value."""
    return parse(b'{"v": ' + text.encode() + b"}", is_exact=True)["v"]


@given(st.integers(1, LARGEST // CENT))
def test_printed_amount_is_read_back_unchanged(cents: int) -> None:
    printed = text_of(numbers.printed(cents * CENT))

    assert numbers.amount(read(printed)) == cents * CENT
    assert decimal.Decimal(printed) * 100 == cents
    assert printed[-3] == "."


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("150.00", 15_000),
        ("150", 15_000),
        ("150.5", 15_050),
        ("0.01", 1),
        ("0.1", 10),
        # What a binary float would make 0.07 short of.
        ("1.15", 115),
        ("4.35", 435),
        ("922337203685.47", 92_233_720_368_547),
    ],
)
def test_an_amount_is_read_to_the_cent(text: str, cents: int) -> None:
    assert numbers.amount(read(text)) == cents * CENT


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0.00",
        "-0",
        "-0.0",
        "-1",
        "-0.01",
        "0.001",
        "1.005",
        "150.000",
        "1e2",
        "1E2",
        "1.5e1",
        "15e-1",
        "922337203685.48",
        "9223372036854775807",
    ],
)
def test_an_invalid_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        numbers.amount(read(text))


@pytest.mark.parametrize("text", ["true", "false", "null", '"150.00"', "[]", "{}", "[150]"])
def test_a_value_that_is_not_a_number_is_not_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        numbers.amount(read(text))


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "1e309",
        "1e-400",
        "9" * 400,
        "1e99999999999999999999",
        ".5",
        "01",
        "1.",
    ],
)
def test_an_invalid_json_number_is_refused_anywhere(text: str) -> None:
    with pytest.raises(BodyNotValid):
        read(text)


def test_a_duplicate_key_is_refused() -> None:
    with pytest.raises(BodyNotValid):
        parse(b'{"amount": 1.00, "amount": 2.00}', is_exact=True)


@given(NUMBERS)
def test_a_number_inside_terms_is_kept_digit_by_digit(text: str) -> None:
    kept = to_json({"a": [read(text)]})

    assert kept == f'{{"a":[{text}]}}'


def test_terms_are_kept_in_their_order_and_with_every_kind_of_value() -> None:
    text = '{"z":1,"a":{"b":[1.10,1e5,-2.50,true,null,"x"]},"é":""}'

    assert to_json(parse(text.encode(), is_exact=True)) == text
    assert json.loads(text) == json.loads(to_json(parse(text.encode(), is_exact=True)))


@pytest.mark.parametrize(
    ("basis_points", "printed"),
    [(1000, "0.10"), (0, "0.00"), (250, "0.025"), (5, "0.0005"), (10_000, "1.00"), (30, "0.003")],
)
def test_rate_is_printed_as_a_fraction_of_one(basis_points: int, printed: str) -> None:
    assert text_of(numbers.rate(basis_points)) == printed


@pytest.mark.parametrize(("count", "printed"), [(87, "8.7"), (0, "0.0"), (100, "10.0")])
def test_tenths_are_printed_with_one_decimal(count: int, printed: str) -> None:
    assert text_of(numbers.tenths(count)) == printed


def text_of(fragment: Any) -> str:
    """Return the value of a fragment in a document."""
    return to_json([fragment])[1:-1]
