"""At every boundary, the server accepts exactly what both OpenAPI documents allow.

Left out is what the schemas say in words: what a link is, exponents of numbers, sizes of whole
bodies, NUL characters, spaces around a dispute's reason.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jsonschema_rs
import protovalidate
import pydantic
import pytest
from orchestrator.orders.v1 import orders_pb2

from gateway import body as gateway_body
from gateway import models
from gateway.marketplace import (
    actions,
    api_keys,
    balances,
    disputes,
    order,
    platform,
    users,
    webhooks,
    withdrawals,
)
from gateway.party import actions as party_actions
from gateway.party import disputes as party_disputes
from gateway.party import order as party_order
from gateway.party import withdrawals as party_withdrawals
from kernel import urls
from kernel.errors import InvalidArgument
from kernel.ids import from_public, parse_uuid
from services.orders.order.intake import CURRENCIES

UUID = "f6a7b8c9-d0e1-2345-fab0-678901234567"
ORDER = {"buyerId": "a", "sellerId": "b", "amount": "1.00", "title": "t"}
USER = {"externalUserId": "u"}
PAID_OUT = {"userId": "u", "amount": "1.00", "destination": "G"}
SPLIT = {"decision": "SPLIT", "releaseAmount": "1.00", "refundAmount": "1.00"}
BOUGHT = {"business_id": UUID, "amount": 1}
MILESTONE = {"ref": "r", "title": "t", "amount": "1.00"}


class Body(NamedTuple):
    """An accepted body; tests vary one of its fields."""

    model: type[pydantic.BaseModel]
    valid: Mapping[str, Any]


BODIES = {
    "CreateOrder": Body(order.CreateOrder, ORDER),
    "Milestone": Body(order.NewMilestone, MILESTONE),
    "RegisterUser": Body(users.RegisterUser, USER),
    "OrderAction": Body(actions.OrderAction, {}),
    "ReleaseFunds": Body(actions.ReleaseFunds, {}),
    "OpenDispute": Body(actions.OpenDispute, {}),
    "AssignDispute": Body(disputes.AssignDispute, {"agentId": "a"}),
    "ResolveDispute": Body(disputes.ResolveDispute, SPLIT),
    "AddEvidence": Body(disputes.AddEvidence, {"evidence": ["https://a.example/"]}),
    "CreditUser": Body(balances.CreditUser, {"amount": "1.00", "reference": "r"}),
    "CreateWithdrawal": Body(withdrawals.CreateWithdrawal, PAID_OUT),
    "WithdrawFees": Body(platform.WithdrawFees, {"amount": "1.00", "destination": "G"}),
    "CreateKey": Body(api_keys.CreateKey, {"scopes": ["read"]}),
    "CreateWebhook": Body(
        webhooks.CreateWebhook, {"url": "https://a.example/", "eventTypes": ["order.*"]}
    ),
    "ResendDeliveries": Body(webhooks.ResendDeliveries, {"since": "2026-02-18T10:00:00.000Z"}),
    "party CreateOrder": Body(party_order.CreateOrder, BOUGHT),
    "party DeliverOrder": Body(party_actions.DeliverOrder, {}),
    "party OpenDispute": Body(party_disputes.OpenDispute, {"reason": "r" * 10}),
    "party CreateWithdrawal": Body(
        party_withdrawals.CreateWithdrawal, {"amount": 1, "destination": "G"}
    ),
    "party AddEvidence": Body(party_disputes.AddEvidence, {"evidence": ["https://a.example/"]}),
}

AMOUNTS = (
    "80.00", "0.01", "0.10", "0.99", "1.00", "9.99", "10.00", "999999999999.99",
    "92233720368.54", "922337203684.77", "922337203685.47", "922337203685.48", "922337203686.00",
    "932337203685.47", "1000000000000.00", "0.00", "00.01", "01.00", ".01", "1", "1.0", "1.000",
    "-1.00", "+1.00", " 1.00", "1.00 ", "1.00\n", "1,00", "1e2",
    "\u0661.\u0660\u0660", "",
)  # fmt: skip
NAMES = (
    "a", "A-z_0", "a" * 64, "a" * 65, "", "a b", "a.b", "é", "a\n", UUID, UUID.upper(),
    UUID.replace("-", ""), f"{UUID}0", "usr_alice",
)  # fmt: skip
EMAILS = (
    "a@b", "a@b.example", "a+b@b.example", "a@b-c.example", "a@-b.example", "a@b-.example", "a@",
    "@b", "a@b@c", "a b@c", "a@b..c", "a.@b", f"a@{'b' * 63}", f"a@{'b' * 64}", "a@b\n", "é@b", "",
    f"{'a' * 248}@b.com", f"{'a' * 249}@b.com", f"{'a' * 250}@b.com",
)  # fmt: skip
UUIDS = (UUID, UUID.upper(), UUID[:-1], f"{UUID}0", f"{{{UUID}}}", f" {UUID}", f"{UUID}\n", "", 1)
NUMBERS = (
    "1", "150.00", "0.01", "0.1", "922337203685.47", "922337203685.48", "1000000000000", "0",
    "0.00",
    "-1", "-0.01", '"1.00"', "true", "null", "[]",
)  # fmt: skip
SCORES = (0, 10, 8.7, 9.9, 10.1, -0.1, -1, 11, "8", True)
# The fields of a kind, as a body names them, and their values.
KINDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "amount": (
        ("CreateOrder", "amount"), ("Milestone", "amount"), ("OrderAction", "amount"),
        ("ReleaseFunds", "amount"), ("OpenDispute", "amount"), ("CreditUser", "amount"),
        ("CreateWithdrawal", "amount"), ("WithdrawFees", "amount"),
        ("ResolveDispute", "releaseAmount"), ("ResolveDispute", "refundAmount"),
    ),
    "name": (
        ("CreateOrder", "buyerId"), ("CreateOrder", "sellerId"), ("RegisterUser", "id"),
        ("CreateWithdrawal", "userId"),
    ),
    "email": (("RegisterUser", "email"),),
    "uuid": (
        ("party CreateOrder", "business_id"), ("party CreateOrder", "intention_id"),
        ("party CreateOrder", "contract_template_id"), ("party CreateOrder", "contract_id"),
    ),
    "score": (("ReleaseFunds", "deltaScore"),),
}  # fmt: skip
VALUES: Mapping[str, tuple[Any, ...]] = {
    "amount": AMOUNTS,
    "name": NAMES,
    "email": EMAILS,
    "uuid": UUIDS,
    "score": SCORES,
}
PATTERNED = [
    pytest.param(kind, *place, id=f"{kind} {' '.join(place)}")
    for kind, places in KINDS.items()
    for place in places
]


def allows(body: Body, value: Mapping[str, Any]) -> bool:
    """Return whether the document allows a body."""
    return bool(validator(body.model).is_valid(dict(value)))


@functools.cache
def validator(model: type[pydantic.BaseModel]) -> Any:
    """Make the validator of a model's schema."""
    return jsonschema_rs.validator_for(model.model_json_schema(by_alias=True))


def takes(body: Body, raw: str) -> bool:
    """Return whether the server accepts a body, including the services' field rules."""
    try:
        read: Any = models.validated(body.model, gateway_body.parse(raw.encode(), is_exact=True))
        for url in getattr(read, "evidence", None) or ():
            urls.require_url(url, field="evidence")
        if isinstance(read, users.RegisterUser):
            protovalidate.validate(
                orders_pb2.RegisterUserRequest(
                    request_id="r",
                    external_user_id=read.external_user_id,
                    email=read.email or "",
                    type=orders_pb2.USER_TYPE_BOTH,
                )
            )
            return parse_uuid(read.id or "") is None
    except (InvalidArgument, protovalidate.ValidationError):
        return False
    return getattr(read, "currency", None) in {None, *CURRENCIES}


def differ(body: Body, field: str, values: Iterator[Any]) -> list[str]:
    """Return the values of a field on which document and server disagree, with both verdicts."""
    found = []
    for value in values:
        said = {**body.valid, field: value}
        allowed, taken = allows(body, said), takes(body, json.dumps(said))
        if allowed is not taken:
            found.append(f"{value!r}: allowed {allowed}, taken {taken}")
    return found


@pytest.mark.parametrize(("kind", "name", "field"), PATTERNED)
def test_documented_patterns_accept_what_the_server_accepts(
    kind: str, name: str, field: str
) -> None:
    wraps = field == "evidence"

    values = ([value] if wraps else value for value in VALUES[kind])

    assert differ(BODIES[name], field, values) == []


@pytest.mark.parametrize("text", NUMBERS)
def test_a_partys_amount_is_a_number_within_the_same_bounds(text: str) -> None:
    body = BODIES["party CreateOrder"]
    raw = json.dumps({**body.valid, "amount": "?"}).replace('"?"', text)

    assert allows(body, json.loads(raw)) is takes(body, raw)


def edges(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield values at the edges of a field's schema, inside and outside."""
    for kind in schema.get("anyOf", [schema]):
        yield from kind.get("enum", ())
        yield from (f"{one}x" for one in kind.get("enum", ()))
        yield from (str(one).swapcase() for one in kind.get("enum", ()))
        if kind.get("type") == "string" and not {"pattern", "format", "enum"} & set(kind):
            least, most = kind.get("minLength", 0), kind.get("maxLength")
            yield from ("x" * size for size in {0, max(least - 1, 0), least})
            if most is not None:
                yield from (letter * size for letter in "xé😀" for size in (most, most + 1))
        if kind.get("type") == "array":
            item = {"$ref": MILESTONE}.get(next(iter(kind["items"])), "https://a.example/")
            item = kind["items"].get("enum", [item])[0]
            least, most = kind.get("minItems", 0), kind.get("maxItems", 0)
            yield from ([item] * size for size in {0, max(least - 1, 0), least, most, most + 1})
    yield from (None, 1, True, 1.5, [], {}, [None], "")


EDGED = [
    pytest.param(name, field, id=f"{name} {field}")
    for name, body in BODIES.items()
    for field in body.model.model_json_schema()["properties"]
    # A party's amount gets numbers as text, above; links are described in prose.
    if (name, field)
    not in {
        ("party CreateOrder", "amount"),
        ("party DeliverOrder", "deliverable_url"),
    }
]


@pytest.mark.parametrize(("name", "field"), EDGED)
def test_documented_sizes_and_types_accept_what_the_server_accepts(name: str, field: str) -> None:
    body = BODIES[name]
    schema = body.model.model_json_schema()["properties"][field]

    assert differ(body, field, edges(schema)) == []


@pytest.mark.parametrize(
    "text", [UUID, "ord_02wLIRxqmq3AUo6vl2OW37", "ord_", "ord_1", "dsp_02wLIRxqmq3AUo6vl2OW37", "x"]
)
def test_pattern_of_the_order_filter_accepts_what_the_server_accepts(text: str) -> None:
    schema = disputes.ListDisputes.model_json_schema()["properties"]["orderId"]

    assert jsonschema_rs.is_valid(schema, text) is (from_public("ord", text) is not None)
