"""People of support: which routes their tokens open, and as whom they act.

The routes are those of the two OpenAPI documents: a new one is refused to them unless it says that
they may call it.
"""

import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from orchestrator.disputes.v1 import disputes_pb2

from gateway.marketplace import view as marketplace
from gateway.party import view as party
from kernel.ids import to_public
from tests.integration.gateway.conftest import Keys, Services
from tests.integration.gateway.messages import DISPUTE_ID, ORDER_ID, a_dispute, an_order
from tests.patience import PATIENCE_SECONDS

from .conftest import NOWHERE, issuer, mint, party_gateway

DISPUTES = "/api/v1/disputes"
SUPPORT = "supportToken"
# An id of each kind fits every path.
_IDS = {"disputes": to_public("dsp", DISPUTE_ID), "orders": to_public("ord", ORDER_ID)}


def operations(view: Any) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield method, path and the ways to send a credential, as the view's document says."""
    for path, methods in view.document()["paths"].items():
        kind = path.split("/")[3]
        # A collection is the same with and without a slash.
        named = re.sub(r"{\w+}", _IDS.get(kind, str(ORDER_ID)), path).rstrip("/")
        for method, one in methods.items():
            yield (
                method.upper(),
                named,
                frozenset(name for each in one["security"] for name in each),
            )


OPEN_TO_SUPPORT = [
    (method, path) for method, path, ways in operations(marketplace) if SUPPORT in ways
]


def client(url: str, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_SECONDS)


def support(**claims: Any) -> str:
    """Make a token of support."""
    return mint(uuid.uuid4(), **({"role": "support"} | claims))


def asked(services: Services) -> list[str]:
    """List what any service was asked."""
    each = (services.orders, services.ledger, services.escrow, services.disputes, services.webhooks)
    return [method for one in each for method, _, _ in one.asked]


def test_documents_open_routes_to_support_one_by_one() -> None:
    dispute, order = f"{DISPUTES}/{_IDS['disputes']}", f"/api/v1/orders/{_IDS['orders']}"
    changed = {path for method, path in OPEN_TO_SUPPORT if method != "GET"}

    assert {
        ("GET", DISPUTES),
        ("GET", dispute),
        ("POST", f"{dispute}/assign"),
        ("POST", f"{dispute}/resolve"),
        ("GET", "/api/v1/orders"),
        ("GET", order),
        ("GET", "/api/v1/me"),
    } <= set(OPEN_TO_SUPPORT)
    assert {path for path in changed if not path.startswith(dispute)} == set()
    assert not any(SUPPORT in ways for _, _, ways in operations(party))


async def test_support_is_refused_every_other_route_and_no_service_is_asked_for_it(
    party_url: str, services: Services
) -> None:
    both = {(method, path): ways for method, path, ways in operations(party)}
    both |= {(method, path): ways for method, path, ways in operations(marketplace)}
    wrong = []

    async with client(party_url, support()) as somebody:
        for (method, path), ways in both.items():
            if not ways or SUPPORT in ways:
                continue
            answer = await somebody.request(method, path, json={} if method != "GET" else None)
            # GetUser: whether somebody of support is a user, too.
            told = set(asked(services)) - {"GetUser"}
            if answer.status_code not in {403, 404, 405} or told:
                wrong.append((method, path, answer.status_code, told))

    assert wrong == []


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"exp": int(time.time()) - 600}, 401),
        ({"key": b"another secret of nobody, 32 bytes"}, 401),
        ({"sub": ""}, 401),
        ({"sub": "a" * 201}, 401),
        ({"sub": "ann\u202elee"}, 401),
        ({"sub": " ann"}, 401),
        ({"by": NOWHERE}, 503),
    ],
    ids=["expired", "forged", "nobody", "long", "turned", "spaced", "nowhere"],
)
async def test_invalid_token_of_support_is_refused_on_every_route(
    party_url: str, services: Services, claims: Mapping[str, Any], status: int
) -> None:
    async with client(party_url, support(**claims)) as somebody:
        answers = [await somebody.request(method, path) for method, path in OPEN_TO_SUPPORT]

    assert {answer.status_code for answer in answers} == {status}
    assert asked(services) == []


@pytest.mark.parametrize("role", ["admin", "user", "Support", ["supporter"], None, {"support": 1}])
async def test_people_of_other_roles_have_no_route_of_support(
    party_url: str, services: Services, subject: uuid.UUID, role: Any
) -> None:
    theirs = {(method, path) for method, path, _ in operations(party)}

    async with client(party_url, mint(subject, role=role)) as somebody:
        answers = {
            (method, path): await somebody.request(method, path)
            for method, path in OPEN_TO_SUPPORT
            # The party API answers its own.
            if (method, path) not in theirs
        }

    refused = {key: (one.status_code, one.json()["code"]) for key, one in answers.items()}
    assert len(refused) >= 4
    assert {key: told for key, told in refused.items() if told[0] not in {403, 404, 405}} == {}
    assert services.disputes.asked == []


async def test_services_get_the_identity_of_the_person_of_support(
    party_url: str, services: Services, keys: Keys
) -> None:
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse()
    token = support(sub="auth0|5f7c", name="  Ann\u202e Lée\n" + "x" * 200)

    async with client(party_url, token) as somebody:
        answer = await somebody.get(DISPUTES)
        me = (await somebody.get("/api/v1/me")).json()["data"]

    assert answer.status_code == 200
    _, _, who = services.disputes.asked[-1]
    demo = await keys.store.marketplace("demo", environment="live")
    name = ("Ann Lée" + "x" * 200)[:100]
    assert (who.marketplace_id, who.principal, who.role) == (demo, "support:auth0|5f7c", "support")
    assert (who.user_id, who.name, who.scopes) == (None, name, frozenset({"read", "support"}))
    # Nobody is registered: support has no account and no wallet.
    assert set(asked(services)) == {"GetUser", "ListDisputes"}
    assert me == {
        "marketplaceId": str(demo),
        "marketplace": "demo",
        "environment": "live",
        "keyId": None,
        "supportId": "support:auth0|5f7c",
        "name": name,
        "scopes": ["read", "support"],
    }


async def test_token_of_support_acts_in_the_marketplace_of_its_issuer(
    services: Services, keys: Keys, settings: Any
) -> None:
    other = await keys.store.marketplace("other", environment="live")
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse()
    named = issuer("idp of other", "other").model_copy(update={"support_role": "desk"})

    async with party_gateway(settings, jwt_issuers=[named]) as url:
        async with client(url, support(by="idp of other", role=["desk", "x"], sub="7")) as one:
            assert (await one.get(DISPUTES)).status_code == 200
        # Another role there.
        async with client(url, support(by="idp of other", role="support")) as one:
            assert (await one.get(DISPUTES)).status_code == 404

    _, _, who = services.disputes.asked[-1]
    assert (who.marketplace_id, who.principal) == (other, "support:7")
    assert len(services.disputes.asked) == 1


async def test_person_who_decided_is_shown_with_their_name(
    rest: httpx.AsyncClient, services: Services
) -> None:
    decided = a_dispute("RESOLVED", resolved_by="support:7", resolved_by_name="Ann Lee")
    services.disputes.answers["GetDispute"] = decided
    services.orders.answers["GetOrder"] = an_order("RELEASED")

    found = (await rest.get(f"{DISPUTES}/{to_public('dsp', DISPUTE_ID)}")).json()["data"]

    assert (found["resolvedBy"], found["resolvedByName"]) == ("support:7", "Ann Lee")


async def test_tokens_of_support_are_counted_by_person(settings: Any, services: Services) -> None:
    services.disputes.answers["ListDisputes"] = disputes_pb2.ListDisputesResponse()

    async with (
        party_gateway(settings, rate_limit_per_minute=1) as url,
        client(url, support(sub="one")) as one,
        client(url, support(sub="two")) as two,
    ):
        answers = [await each.get(DISPUTES) for each in (one, one, two)]

    assert [answer.status_code for answer in answers] == [200, 429, 200]
