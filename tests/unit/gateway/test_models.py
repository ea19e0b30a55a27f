"""Bodies and query strings: both spellings, wrong fields, and the code of several faults."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway import models
from gateway.marketplace.actions import OrderAction, ReleaseFunds
from gateway.marketplace.disputes import AssignDispute, ResolveDispute
from gateway.marketplace.order import CreateOrder
from gateway.marketplace.orders import ListOrders
from kernel.errors import InvalidArgument
from kernel.money import CENT, LARGEST

ORDER: dict[str, Any] = {
    "buyerId": "usr_buyer123",
    "sellerId": "usr_seller456",
    "amount": "80.00",
    "title": "Logo design",
}


def refused(model: type[models.Request], value: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        models.validated(model, value)
    return caught.value


def fields(error: InvalidArgument) -> list[str]:
    return [name for name, _ in error.fields]


def test_camel_case_and_snake_case_mean_the_same() -> None:
    snake = {"buyer_id": "usr_buyer123", "seller_id": "usr_seller456"}
    both = {**snake, "amount": "80.00", "title": "Logo design"}

    assert models.validated(CreateOrder, ORDER) == models.validated(CreateOrder, both)
    assert models.validated(CreateOrder, ORDER).amount == 800_000_000


def test_one_field_in_both_spellings_is_refused() -> None:
    error = refused(CreateOrder, {**ORDER, "buyer_id": "usr_another"})

    assert fields(error) == ["buyer_id"]


def test_unknown_fields_are_named() -> None:
    error = refused(CreateOrder, {**ORDER, "ammount": "80.00", "note": "x"})

    assert error.reason == "VALIDATION_ERROR"
    assert error.fields == (
        ("ammount", "is not a known field"),
        ("note", "is not a known field"),
    )


def test_missing_fields_have_their_own_code() -> None:
    error = refused(CreateOrder, {"title": "Logo design"})

    assert error.reason == "MISSING_REQUIRED_FIELD"
    assert error.fields == (
        ("buyerId", "is required"),
        ("sellerId", "is required"),
        ("amount", "is required"),
    )


@pytest.mark.parametrize(
    "amount",
    ["80", "80.0", "80.000", "080.00", "-80.00", "+80.00", "0.00", " 80.00", "80.00 ", "8e1", "",
     "1,000.00", "\u0668\u0660.\u0660\u0660", "80.00\n", "9999999999999.00", "NaN", 80, 80.0,
     True, None, ["80.00"]],
)  # fmt: skip
def test_an_amount_is_a_decimal_string_greater_than_zero(amount: Any) -> None:
    error = refused(CreateOrder, {**ORDER, "amount": amount})

    assert (error.reason, fields(error)) == ("INVALID_AMOUNT_FORMAT", ["amount"])


@pytest.mark.parametrize("currency", ["usd", "US", "", "USD ", 1])
def test_an_invalid_currency_has_its_own_code(currency: Any) -> None:
    error = refused(CreateOrder, {**ORDER, "currency": currency})

    assert (error.reason, fields(error)) == ("INVALID_CURRENCY", ["currency"])


def test_several_different_faults_are_one_validation_error() -> None:
    error = refused(CreateOrder, {"amount": "80", "title": "", "buyerId": "a b"})

    assert error.reason == "VALIDATION_ERROR"
    assert fields(error) == ["buyerId", "sellerId", "amount", "title"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", 1),
        ("title", "x" * 256),
        ("title", None),
        ("description", ["x"]),
        ("description", "x" * 4097),
        ("buyerId", "usr/../x"),
        ("buyerId", "x" * 65),
        ("buyerId", ""),
        ("clientOrderRef", ""),
        ("metadata", []),
        ("metadata", "{}"),
        ("milestones", {}),
        ("milestones", [{"ref": "m"}] * 51),
    ],
)
def test_a_field_of_the_wrong_kind_or_size_is_named(field: str, value: Any) -> None:
    error = refused(CreateOrder, {**ORDER, field: value})

    assert error.reason == "VALIDATION_ERROR"
    assert set(fields(error)) == {field}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("title", 1, "must be a string"),
        ("title", "", "is too short: the least is 1"),
        ("title", "x" * 256, "is too long: the most is 255"),
        ("metadata", [], "must be an object"),
        ("milestones", {}, "must be a list"),
        ("milestones", ["m"], "must be an object"),
        (
            "milestones",
            [{"ref": "m", "title": "t", "amount": "1.00"}] * 51,
            "has too many items: the most is 50",
        ),
        ("buyerId", "a b", "must match ^[A-Za-z0-9_-]{1,64}$"),
        ("nothing", 1, "is not a known field"),
    ],
)
def test_pydantic_errors_get_our_messages(field: str, value: Any, message: str) -> None:
    ((_, told),) = refused(CreateOrder, {**ORDER, field: value}).fields

    assert told == message


def test_field_of_a_list_item_is_named_with_its_index() -> None:
    milestones = [{"ref": "a", "title": "x", "amount": "1.00"}, {"ref": "b", "amount": "1"}]

    error = refused(CreateOrder, {**ORDER, "milestones": milestones})

    assert fields(error) == ["milestones[1].amount"]


def test_a_milestone_is_named_by_title_or_description() -> None:
    error = refused(CreateOrder, {**ORDER, "milestones": [{"ref": "a", "amount": "1.00"}]})

    assert fields(error) == ["milestones[0].title"]
    assert error.reason == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("body", "reason", "wrong"),
    [
        ({"decision": "SPLIT"}, "MISSING_REQUIRED_FIELD", ["releaseAmount", "refundAmount"]),
        (
            {"decision": "SPLIT", "releaseAmount": "80.00"},
            "MISSING_REQUIRED_FIELD",
            ["refundAmount"],
        ),
        (
            {"decision": "FULL_RELEASE", "releaseAmount": "80.00"},
            "VALIDATION_ERROR",
            ["releaseAmount"],
        ),
    ],
)
def test_amounts_belong_to_a_split(body: dict[str, str], reason: str, wrong: list[str]) -> None:
    error = refused(ResolveDispute, body)

    assert (error.reason, fields(error)) == (reason, wrong)


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_a_body_is_an_object(body: Any) -> None:
    assert refused(CreateOrder, body).reason == "VALIDATION_ERROR"


def test_every_field_of_an_action_is_optional() -> None:
    assert models.validated(OrderAction, {}).amount is None
    assert models.validated(OrderAction, {"amount": None}).amount is None


@pytest.mark.parametrize("name", ["agentId", "agent_id", "assignedTo", "assigned_to"])
def test_an_agent_can_be_named_by_two_fields(name: str) -> None:
    assert models.validated(AssignDispute, {name: "agent-7"}).agent_id == "agent-7"


@pytest.mark.parametrize(("score", "tenths"), [(0, 0), (10, 100), (8.7, 87), (9.0, 90)])
def test_a_score_is_kept_in_tenths(score: float, tenths: int) -> None:
    assert models.validated(ReleaseFunds, {"deltaScore": score}).delta_score == tenths


@pytest.mark.parametrize("score", [-0.1, 10.1, 8.75, "8", True])
def test_a_score_has_one_decimal_at_most(score: Any) -> None:
    assert fields(refused(ReleaseFunds, {"deltaScore": score})) == ["deltaScore"]


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "SPLIT"},
        {"decision": "SPLIT", "releaseAmount": "80.00"},
        {"decision": "SPLIT", "releaseAmount": "80.00", "refundAmount": "0.00"},
        {"decision": "FULL_RELEASE", "releaseAmount": "80.00"},
        {"decision": "HALF"},
    ],
)
def test_a_split_and_only_a_split_has_two_amounts(body: dict[str, Any]) -> None:
    refused(ResolveDispute, body)


def test_a_query_string_is_read_by_the_same_rules() -> None:
    query = models.validated_query(ListOrders, b"status=CLOSED&buyerId=usr_a&limit=100")

    assert query is not None
    assert (query.status, query.buyer_id, query.limit) == ("CLOSED", "usr_a", 100)


@pytest.mark.parametrize(
    "query",
    [
        b"limit=0",
        b"limit=101",
        b"limit=1.0",
        b"limit=+5",
        b"limit=%201",
        b"limit=1_0",
        b"limit=",
        b"limit=10&limit=10",
        b"status=closed",
        b"unknown=1",
        b"cursor=",
        b"cursor=%00",
        b"cursor=%ff",
        b"buyerId=a%20b",
        b"a" * 100 + b"&b" * 40,
    ],
)
def test_unknown_or_malformed_query_string_is_refused(query: bytes) -> None:
    with pytest.raises(InvalidArgument):
        models.validated_query(ListOrders, query)


def test_a_route_without_parameters_takes_none() -> None:
    assert models.validated_query(None, b"") is None
    with pytest.raises(InvalidArgument, match="a"):
        models.validated_query(None, b"a=1")


@given(cents=st.integers(1, LARGEST // CENT) | st.integers(LARGEST // CENT - 2000, LARGEST // CENT))
def test_every_valid_amount_matches_the_documented_pattern(cents: int) -> None:
    pattern = TypeAdapter(models.Amount).json_schema()["pattern"]

    assert re.search(pattern, f"{cents // 100}.{cents % 100:02d}")


@given(cents=st.integers(LARGEST // CENT + 1, 10**14 - 1) | st.integers(0, 2000))
def test_too_large_amount_does_not_match_the_documented_pattern(cents: int) -> None:
    pattern = TypeAdapter(models.Amount).json_schema()["pattern"]
    beyond = cents + LARGEST // CENT + 1 if cents <= 2000 else cents

    assert not re.search(pattern, f"{beyond // 100}.{beyond % 100:02d}")
