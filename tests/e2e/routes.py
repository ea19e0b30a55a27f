"""The routes of a running gateway, from its OpenAPI document, and how a test calls each.

A route without a known request body fails the test: add new routes here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.keys import id_of, make
from kernel.ids import from_public, new_id, to_public
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack
from tests.shop import Body

METHODS = ("get", "post", "put", "patch", "delete")
# Routes that need no credential, and those that every credential may call.
OPEN = frozenset({"/health", "/health/detailed"})
ANY_SCOPE = frozenset({"/me"})
# The route that a live marketplace may not call.
TEST_ONLY = frozenset({"/test/clock"})
# An account of the devnet's own that holds USDC.
OUTSIDE = "GCLSOHCCFBAJBK5IYKYX2MAJXDITGL6X4YDZYSYUWDYU74KEU5LFKLKQ"
# The stream of events is a list to those who ask for JSON.
AS_LIST = {"Accept": "application/json"}
# Lists of the marketplace's own things, with a cursor and without an id.
LISTS = frozenset(
    {
        "/orders",
        "/users",
        "/withdrawals",
        "/platform/withdrawals",
        "/platform/entries",
        "/disputes",
        "/events",
        "/auth/api-keys",
        "/webhooks",
        "/audit",
        "/requests",
    }
)
# A body that each route with one accepts; the order's amount is 1.00.
_BODIES: Mapping[str, Body] = {
    "/orders": {"buyerId": "nobody", "sellerId": "noone", "amount": "1.00", "title": "Logo"},
    "/orders/{id}/reserve": {"amount": "1.00"},
    "/orders/{id}/escrow": None,
    "/orders/{id}/escrow/fund": None,
    "/orders/{id}/deliver": {"notes": "Done"},
    "/orders/{id}/milestones/{ref}/complete": {},
    "/orders/{id}/offers": {"refundAmount": "0.40"},
    "/orders/{id}/offers/{offerId}/accept": {},
    "/orders/{id}/offers/{offerId}/decline": {},
    "/orders/{id}/redirect-payout": {"party": "SELLER", "address": OUTSIDE, "reason": "Frozen"},
    "/orders/{id}/cancel": {"canceledBy": "BUYER"},
    "/orders/{id}/resolution/release": {"requestedBy": "BUYER"},
    "/orders/{id}/resolution/refund": {"requestedBy": "BUYER"},
    "/orders/{id}/resolution/dispute": {"openedBy": "BUYER", "reason": "OTHER"},
    "/users": {"externalUserId": "somebody"},
    "/users/{id}/balance/credit": {"amount": "1.00", "reference": "gift"},
    "/withdrawals": {"userId": "nobody", "amount": "1.00", "destination": OUTSIDE},
    "/withdrawals/{id}/commit": None,
    "/withdrawals/{id}/approve": None,
    "/withdrawals/{id}/cancel": None,
    "/platform/withdrawals": {"amount": "1.00", "destination": OUTSIDE},
    "/platform/withdrawals/{id}/commit": None,
    "/platform/withdrawals/{id}/approve": None,
    "/platform/withdrawals/{id}/cancel": None,
    "/disputes/{id}/assign": {"agentId": "agent-7"},
    "/disputes/{id}/unassign": None,
    "/disputes/{id}/messages": {"text": "Which figures are missing?"},
    "/disputes/{id}/notes": {"text": "They have sent them before"},
    "/disputes/{id}/evidence": {"evidence": ["https://example.org/proof"]},
    "/disputes/{id}/resolve": {"decision": "FULL_REFUND"},
    "/test/clock": {"advance": "1s"},
    "/auth/api-keys": {"scopes": ["read"]},
    "/webhooks": {"url": "https://shop.example.com/hooks", "eventTypes": ["webhook.disabled"]},
    "/webhooks/{id}/rotate-secret": None,
    "/webhooks/{id}/test": None,
    "/webhooks/{id}/resend": {"since": "2026-02-18T10:00:00.000Z"},
    "/webhooks/{id}/deliveries/{deliveryId}/resend": None,
}
# What each kind of id answers that the caller's marketplace does not have.
NOT_FOUND: Mapping[str, str] = {
    "orders": "ORDER_NOT_FOUND",
    "users": "USER_NOT_FOUND",
    "balances": "USER_NOT_FOUND",
    "withdrawals": "WITHDRAWAL_NOT_FOUND",
    "platform": "WITHDRAWAL_NOT_FOUND",
    "disputes": "DISPUTE_NOT_FOUND",
    "auth": "API_KEY_NOT_FOUND",
    "webhooks": "WEBHOOK_NOT_FOUND",
    "events": "EVENT_NOT_FOUND",
    "requests": "REQUEST_NOT_FOUND",
}
# The state of an order in which a path can do something to it.
STATES: Mapping[str, str] = {
    "/orders/{id}": "ORDER_CREATED",
    "/orders/{id}/timeline": "IN_PROGRESS",
    "/orders/{id}/reserve": "ORDER_CREATED",
    "/orders/{id}/escrow": "FUNDS_RESERVED",
    "/orders/{id}/escrow/fund": "ESCROW_CREATING",
    "/orders/{id}/deliver": "IN_PROGRESS",
    "/orders/{id}/milestones": "IN_PROGRESS",
    "/orders/{id}/milestones/{ref}/complete": "IN_PROGRESS",
    "/orders/{id}/offers": "IN_PROGRESS",
    "/orders/{id}/offers/{offerId}": "IN_PROGRESS",
    "/orders/{id}/offers/{offerId}/accept": "IN_PROGRESS",
    "/orders/{id}/offers/{offerId}/decline": "IN_PROGRESS",
    "/orders/{id}/redirect-payout": "IN_PROGRESS",
    "/orders/{id}/cancel": "FUNDS_RESERVED",
    "/orders/{id}/resolution/release": "IN_PROGRESS",
    "/orders/{id}/resolution/refund": "IN_PROGRESS",
    "/orders/{id}/resolution/dispute": "IN_PROGRESS",
    "/disputes/{id}": "DISPUTED",
    "/disputes/{id}/assign": "DISPUTED",
    "/disputes/{id}/unassign": "DISPUTED",
    "/disputes/{id}/messages": "DISPUTED",
    "/disputes/{id}/notes": "DISPUTED",
    "/disputes/{id}/evidence": "DISPUTED",
    "/disputes/{id}/resolve": "DISPUTED",
}
_BASE = "/api/v1"
# How ids of a kind begin, in a path.
_PREFIXES = {
    "orders": "ord",
    "disputes": "dsp",
    "withdrawals": "wd",
    "platform": "wd",
    "webhooks": "wh",
    "events": "evt",
    "requests": "req",
}
# The ref of the milestone that a path names.
MILESTONE = "all"
# The id of an offer that no order has, in a path that names one.
OFFER = "off_" + "0" * 21 + "1"
# The same of a delivery.
DELIVERY = "whd_" + "0" * 21 + "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path below /api/v1. scopes: the documented scopes of a key."""

    method: str
    path: str
    scopes: frozenset[str]
    is_secured: bool
    has_cursor: bool

    @property
    def name(self) -> str:
        """Its name in reports."""
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        """The kind of its {id}, such as orders; auth is that of API keys.

        An id of the kind platform is that of a withdrawal of its fees.
        """
        return self.path.split("/")[1]

    @property
    def needs_id(self) -> bool:
        """Whether its path has an id."""
        return "{id}" in self.path

    async def call(
        self,
        client: httpx.AsyncClient,
        *,
        of: str = "",
        key: str | None = None,
        changed: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Call it with a valid request. changed: fields of its body.

        of: the id in its path; with an offer's or a delivery's after a space, where its path names
        one.

        Raises: KeyError: it needs a body, and no example is known here.
        """
        json = _BODIES[self.path] if self.method == "POST" else None
        if json is not None:
            json = {**json, **(changed or {})}
        headers = AS_LIST if key is None else {**AS_LIST, "Idempotency-Key": key}
        name, _, inner = of.partition(" ")
        path = self.path.replace("{id}", name).replace("{ref}", MILESTONE)
        path = path.replace("{offerId}", inner or OFFER)
        path = path.replace("{deliveryId}", inner or DELIVERY)
        return await client.request(self.method, path, json=json, headers=headers)


def routes(stack: RunningStack) -> list[Route]:
    """Read the document of the marketplace API."""
    document = httpx.get(f"{stack.url}/openapi.json", timeout=PATIENCE_SECONDS).json()
    return [
        _route(path, method, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]


def _route(path: str, method: str, operation: Mapping[str, Any]) -> Route:
    scopes = re.findall(r"^Scope: `(\w+)`$", operation.get("description", ""), re.MULTILINE)
    assert path.startswith(_BASE), path
    return Route(
        method=method.upper(),
        path=path.removeprefix(_BASE),
        scopes=frozenset(scopes),
        is_secured=bool(operation.get("security")),
        has_cursor=any(one["name"] == "cursor" for one in operation.get("parameters", ())),
    )


def both_spellings(name: str) -> tuple[str, str]:
    """Return an id with its prefix, and as a UUID."""
    value = from_public(name.partition("_")[0], name)
    assert value is not None
    return name, str(value)


def unknown_id(route: Route) -> str:
    """Return a valid id of an object that does not exist."""
    if route.kind == "auth":
        return id_of(make("live")[1]) or ""
    return to_public(_PREFIXES.get(route.kind, "usr"), new_id())
