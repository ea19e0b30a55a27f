"""Bodies of the party API: accepted fields, and refusals that name the field."""

import uuid
from typing import Any

import pytest

from gateway import models
from gateway.body import parse
from gateway.party.actions import DeliverOrder
from gateway.party.disputes import AddEvidence, OpenDispute
from gateway.party.order import CreateOrder
from gateway.party.orders import ListOrders
from gateway.party.shapes import Nothing, Request
from kernel.errors import InvalidArgument

BUSINESS = "b2c3d4e5-f6a7-8901-bcde-f12345678901"
ORDER = f'{{"business_id": "{BUSINESS}", "amount": 150.00}}'


def refused(model: type[Request], text: str) -> list[str]:
    """Return the fields that the refusal of a body names."""
    with pytest.raises(InvalidArgument) as caught:
        models.validated(model, parse(text.encode(), is_exact=True))
    return [name for name, _ in caught.value.fields]


def order_with(**changes: str) -> str:
    """Return a minimal order body, with the given fields as JSON texts."""
    fields = {"business_id": f'"{BUSINESS}"', "amount": "150.00"} | changes
    return "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}"


def test_omitted_fields_have_the_documented_defaults() -> None:
    order = models.validated(CreateOrder, parse(ORDER.encode(), is_exact=True))

    assert order.business_id == uuid.UUID(BUSINESS)
    assert order.amount == 150 * 10**7
    assert (order.currency, order.contract_terms) == ("USD", {})
    assert (order.intention_id, order.contract_template_id, order.contract_id) == (None,) * 3


@pytest.mark.parametrize("name", ["intention_id", "contract_template_id", "contract_id"])
def test_an_optional_id_may_be_null(name: str) -> None:
    body = parse(order_with(**{name: "null"}).encode(), is_exact=True)

    assert getattr(models.validated(CreateOrder, body), name) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("amount", '"150.00"'),
        ("amount", "true"),
        ("amount", "null"),
        ("amount", "0"),
        ("amount", "-1.00"),
        ("amount", "0.001"),
        ("amount", "1e2"),
        ("business_id", "null"),
        ("business_id", '"business"'),
        ("business_id", "5"),
        ("business_id", f'"{BUSINESS.replace("-", "")}"'),
        ("intention_id", '""'),
        ("contract_id", '"x"'),
        ("contract_terms", "null"),
        ("contract_terms", "[]"),
        ("contract_terms", '"{}"'),
        ("currency", '"EUR"'),
        ("currency", '"usd"'),
        ("currency", "null"),
        ("currency", '""'),
        ("status", '"paid"'),
        ("platform_fee", "0"),
        ("businessId", f'"{BUSINESS}"'),
    ],
)
def test_a_wrong_field_is_named(name: str, text: str) -> None:
    assert refused(CreateOrder, order_with(**{name: text})) == [name]


def test_every_wrong_field_is_named() -> None:
    assert refused(CreateOrder, "{}") == ["business_id", "amount"]


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"'])
def test_a_body_is_an_object(body: str) -> None:
    assert refused(CreateOrder, body) == ["body"]


@pytest.mark.parametrize(
    ("model", "text", "fields"),
    [
        (OpenDispute, '{"reason": "too short"}', ["reason"]),
        (OpenDispute, '{"reason": "          "}', ["reason"]),
        (OpenDispute, '{"reason": "\\n  too short\\t   "}', ["reason"]),
        (OpenDispute, "{}", ["reason"]),
        (OpenDispute, '{"reason": null}', ["reason"]),
        (OpenDispute, f'{{"reason": "{"x" * 4001}"}}', ["reason"]),
        (OpenDispute, '{"reason": "long enough", "evidence": null}', ["evidence"]),
        (OpenDispute, '{"reason": "long enough", "evidence": "https://a.b"}', ["evidence"]),
        (OpenDispute, '{"reason": "long enough", "evidence": [""]}', ["evidence[0]"]),
        (OpenDispute, '{"reason": "long enough", "evidence": [1]}', ["evidence[0]"]),
        (OpenDispute, '{"reason": "long enough", "evidence": ["http://a.b"]}', ["evidence[0]"]),
        (AddEvidence, '{"evidence": ["https://a.b/c", "http://a.b/d"]}', ["evidence[1]"]),
        (AddEvidence, '{"evidence": []}', ["evidence"]),
        (AddEvidence, "{}", ["evidence"]),
        (DeliverOrder, '{"delivery_notes": 5}', ["delivery_notes"]),
        (DeliverOrder, f'{{"delivery_notes": "{"x" * 10_001}"}}', ["delivery_notes"]),
        (DeliverOrder, '{"deliverable_url": ""}', ["deliverable_url"]),
        (DeliverOrder, '{"deliverable_url": "javascript:alert(1)"}', ["deliverable_url"]),
        (DeliverOrder, '{"notes": "x"}', ["notes"]),
        (Nothing, '{"reason": "x"}', ["reason"]),
    ],
)
def test_other_bodies_are_checked_by_their_rules(
    model: type[Request], text: str, fields: list[str]
) -> None:
    assert refused(model, text) == fields


def test_reason_of_ten_characters_is_accepted() -> None:
    body = models.validated(OpenDispute, {"reason": "0123456789"})

    assert (body.reason, body.evidence) == ("0123456789", [])


def query(text: str) -> Any:
    return models.validated_query(ListOrders, text.encode())


def test_a_list_without_parameters_is_the_first_page_of_the_business() -> None:
    found = query("")

    assert (found.role, found.status_filter, found.offset, found.limit) == (
        "business",
        None,
        0,
        20,
    )


@pytest.mark.parametrize(
    "text",
    [
        "role=seller",
        "role=",
        "role=BUSINESS",
        "status_filter=open",
        "status_filter=",
        "status_filter=PAID",
        "offset=-1",
        "offset=1000001",
        "offset=1.5",
        "offset=",
        "offset=a",
        "offset=%31%30%30%30%30%30%31",
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=",
        "limit=1e1",
        "status=paid",
        "cursor=a",
        "role=personal&role=business",
        "limit=10&limit=10",
    ],
)
def test_invalid_query_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        query(text)


@pytest.mark.parametrize("limit", [1, 100])
def test_page_limit_is_1_to_100(limit: int) -> None:
    assert query(f"role=personal&status_filter=paid&offset=1000000&limit={limit}").limit == limit


@pytest.mark.parametrize(
    ("model", "text", "message"),
    [
        (AddEvidence, '{"evidence": []}', "has too few items: the least is 1"),
        (OpenDispute, '{"reason": "too short"}', "is too short: the least is 10"),
        (CreateOrder, order_with(contract_terms="[]"), "must be an object"),
        (ListOrders, '{"role": "seller"}', "must be 'personal' or 'business'"),
        (DeliverOrder, '{"delivery_notes": 5}', "must be a string"),
    ],
)
def test_errors_have_our_messages(model: type[Request], text: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        models.validated(model, parse(text.encode(), is_exact=True))

    assert [told for _, told in caught.value.fields] == [message]


def test_a_reason_is_kept_with_its_spaces() -> None:
    body = parse(b'{"reason": "  long enough "}', is_exact=True)

    assert models.validated(OpenDispute, body).reason == "  long enough "
