"""Money: amounts that the parser accepts and refuses, their formats, fees to the cent."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.money import (
    CENT,
    LARGEST,
    UNIT,
    USDC,
    AssetsDiffer,
    InvalidAmountFormat,
    Money,
    fee_half_up,
    parse_amount,
    to_chain_text,
    to_text,
)

BIGINT_MAX = 2**63 - 1
LARGEST_CENTS = LARGEST // CENT
cents = st.integers(min_value=1, max_value=LARGEST_CENTS)
minor = st.integers(min_value=-BIGINT_MAX, max_value=BIGINT_MAX)


@pytest.mark.parametrize(
    ("text", "minor_units"),
    [
        ("80.00", 800_000_000),
        ("0.01", 100_000),
        ("0.10", 1_000_000),
        ("1.00", 10_000_000),
        ("10.05", 100_500_000),
        ("922337203685.47", 9_223_372_036_854_700_000),
    ],
)
def test_a_documented_amount_is_read_as_minor_units(text: str, minor_units: int) -> None:
    assert minor_units == parse_amount(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "80.",
        "80.0",
        "80.000",
        ".80",
        "080.00",
        "00.10",
        "80,00",
        "1,000.00",
        "1_000.00",
        "1e2.00",
        "8e1",
        "+80.00",
        "-80.00",
        " 80.00",
        "80.00 ",
        "80.00\n",
        "80.00\x00",
        "0x50.00",
        "NaN",
        "Infinity",
        "$80.00",
        "80.00 USDC",
        "\uff18\uff10.\uff10\uff10",  # full-width digits
        "\u0668\u0660.\u0660\u0660",  # Arabic-Indic digits
        "8\u00b2.00",
        "80\uff0e00",
        "1234567890123.00",  # thirteen digits
        "80.00.00",
    ],
)
def test_anything_but_digits_point_two_digits_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmountFormat, match="must be a decimal string") as refused:
        parse_amount(text)

    assert refused.value.reason == "INVALID_AMOUNT_FORMAT"
    assert refused.value.kind == "INVALID_ARGUMENT"


def test_zero_is_refused_as_an_amount() -> None:
    with pytest.raises(InvalidAmountFormat, match="greater than 0"):
        parse_amount("0.00")


@pytest.mark.parametrize("text", ["922337203685.48", "999999999999.99"])
def test_an_amount_beyond_a_bigint_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmountFormat, match="at most"):
        parse_amount(text)


def test_the_largest_amount_fits_a_bigint_and_no_more() -> None:
    assert LARGEST == BIGINT_MAX
    assert parse_amount(to_text(LARGEST_CENTS * CENT)) == LARGEST_CENTS * CENT


@given(cents)
def test_a_formatted_amount_is_read_back(count: int) -> None:
    assert parse_amount(to_text(count * CENT)) == count * CENT


@given(st.text(max_size=20))
def test_a_text_is_read_only_as_the_amount_it_spells(text: str) -> None:
    try:
        minor_units = parse_amount(text)
    except InvalidAmountFormat:
        return
    assert to_text(minor_units) == text


@pytest.mark.parametrize(
    ("minor_units", "text"),
    [
        (0, "0.00"),
        (1, "0.0000001"),
        (10, "0.000001"),
        (100_000, "0.01"),
        (800_000_000, "80.00"),
        (797_600_000, "79.76"),
        (12_345_678, "1.2345678"),
        (-50_000_000, "-5.00"),
        (-1, "-0.0000001"),
    ],
)
def test_minor_units_are_spelled_with_two_decimals_or_as_many_as_they_need(
    minor_units: int, text: str
) -> None:
    assert text == to_text(minor_units)


@pytest.mark.parametrize(
    ("minor_units", "text"),
    [(0, "0.0000000"), (1, "0.0000001"), (800_000_000, "80.0000000"), (-15, "-0.0000015")],
)
def test_the_chain_spelling_has_seven_decimals(minor_units: int, text: str) -> None:
    assert text == to_chain_text(minor_units)


@given(minor)
def test_both_spellings_name_the_exact_value(minor_units: int) -> None:
    exact = Decimal(minor_units) / UNIT

    assert Decimal(to_text(minor_units)) == exact
    assert Decimal(to_chain_text(minor_units)) == exact


@pytest.mark.parametrize(
    ("amount", "basis_points", "fee"),
    [
        ("80.00", 0, "0.00"),
        ("80.00", 30, "0.24"),
        ("150.00", 1000, "15.00"),
        ("0.01", 1000, "0.00"),
        ("0.05", 1000, "0.01"),  # half a cent goes up
        ("0.04", 1000, "0.00"),
        ("1.50", 100, "0.02"),
        ("1.49", 100, "0.01"),
        ("33.33", 1, "0.00"),
        ("80.00", 10_000, "80.00"),
    ],
)
def test_a_fee_is_rounded_half_up_to_the_cent(amount: str, basis_points: int, fee: str) -> None:
    assert fee == to_text(fee_half_up(parse_amount(amount), basis_points=basis_points))


@given(st.integers(min_value=0, max_value=BIGINT_MAX), st.integers(min_value=0, max_value=10_000))
def test_a_fee_is_what_decimal_arithmetic_says(minor_units: int, basis_points: int) -> None:
    in_cents = Decimal(minor_units) * basis_points / (10_000 * CENT)
    expected = int(in_cents.to_integral_value(rounding=ROUND_HALF_UP)) * CENT

    assert expected == fee_half_up(minor_units, basis_points=basis_points)


def test_amounts_of_one_asset_add_subtract_and_compare() -> None:
    eighty = Money(asset=USDC, minor_units=parse_amount("80.00"))
    five = Money(asset=USDC, minor_units=parse_amount("5.00"))

    assert (eighty + five).minor_units == parse_amount("85.00")
    assert (five - eighty).minor_units == -parse_amount("75.00")
    assert five < eighty
    assert five <= eighty
    assert eighty <= eighty  # noqa: PLR0124 - equal amounts are what is asked about
    assert str(eighty) == "80.00 USDC"


def test_amounts_of_two_assets_are_never_mixed() -> None:
    dollars = Money(asset=USDC, minor_units=1)
    euros = Money(asset="EURC", minor_units=1)

    with pytest.raises(AssetsDiffer):
        dollars + euros
    with pytest.raises(AssetsDiffer):
        dollars - euros
    with pytest.raises(AssetsDiffer):
        _ = dollars < euros
    with pytest.raises(AssetsDiffer):
        _ = dollars <= euros
    assert dollars != euros
