"""The person of a token: looked up once, registered if unknown, named to the services."""

import asyncio
import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from google.protobuf.message import Message
from orchestrator.orders.v1 import orders_pb2

from gateway.party import keysets
from gateway.settings import GatewaySettings, Issuer
from kernel.errors import AlreadyExists, DeadlineExceeded, DomainError, NotFound, Unavailable
from tests.integration.gateway.conftest import Keys, Services
from tests.patience import PATIENCE_SECONDS

from .conftest import AUDIENCE, NOWHERE, OWN, a_user, issuer, mint, party_gateway, refusal

LIST = "/api/v1/orders/"
EMPTY = {"items": [], "total": 0}


async def listed(url: str, token: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        return await client.get(LIST, headers={"authorization": f"Bearer {token}"})


def empty_list(services: Services) -> None:
    services.orders.answers["ListPartyOrders"] = orders_pb2.ListPartyOrdersResponse()


def methods(services: Services) -> list[str]:
    return [method for method, _, _ in services.orders.asked]


async def test_services_get_the_callers_identity(
    person: httpx.AsyncClient, services: Services, keys: Keys, subject: uuid.UUID
) -> None:
    empty_list(services)

    assert (await person.get(LIST)).json() == EMPTY

    method, request, who = services.orders.asked[-1]
    assert (method, request.user_id) == ("ListPartyOrders", str(subject))
    assert who.marketplace_id == await keys.store.marketplace("demo", environment="live")
    assert (who.caller, who.principal, who.role) == ("gateway", f"user:{subject}", "user")
    assert (who.user_id, who.scopes) == (subject, frozenset({"read", "write"}))


async def test_me_shows_an_admin(party_url: str, services: Services, subject: uuid.UUID) -> None:
    empty_list(services)

    await listed(party_url, mint(subject, role="admin"))

    _, _, who = services.orders.asked[-1]
    assert (who.role, who.user_id) == ("admin", subject)
    assert "admin" not in who.scopes
    assert "support" not in who.scopes


async def test_a_known_person_is_looked_up_once(
    party_url: str, services: Services, subject: uuid.UUID
) -> None:
    empty_list(services)

    for _ in range(3):
        await listed(party_url, mint(subject))

    assert methods(services) == ["GetUser", *["ListPartyOrders"] * 3]


async def test_a_new_person_is_registered_once_for_concurrent_requests(
    party_url: str, nobody_known: Services
) -> None:
    newcomer = uuid.uuid4()
    empty_list(nobody_known)

    async def register(_request: Any) -> Message:
        await asyncio.sleep(0.05)
        return a_user(newcomer)

    nobody_known.orders.answers["RegisterUser"] = register

    answers = await asyncio.gather(*(listed(party_url, mint(newcomer)) for _ in range(8)))

    assert [answer.json() for answer in answers] == [EMPTY] * 8
    assert methods(nobody_known).count("RegisterUser") == 1
    request = nobody_known.orders.last("RegisterUser")
    assert (request.user_id, request.external_user_id) == (str(newcomer), str(newcomer))
    assert request.type == 3


async def test_subject_equal_to_an_external_id_is_that_user(
    party_url: str, nobody_known: Services
) -> None:
    name, user_id = uuid.uuid4(), uuid.uuid4()
    empty_list(nobody_known)
    nobody_known.orders.answers["RegisterUser"] = a_user(user_id)

    await listed(party_url, mint(name))

    _, request, who = nobody_known.orders.asked[-1]
    assert request.user_id == str(user_id)
    assert who.user_id == user_id


@pytest.mark.parametrize(
    "refused",
    [AlreadyExists("Taken", reason="USER_ID_TAKEN"), DeadlineExceeded("The wallet takes its time")],
)
async def test_a_person_registered_meanwhile_is_found(
    party_url: str, services: Services, refused: DomainError
) -> None:
    newcomer = uuid.uuid4()
    empty_list(services)

    async def get(_request: Any) -> Message:
        if "RegisterUser" not in methods(services):
            raise NotFound("User not found", reason="USER_NOT_FOUND")
        return a_user(newcomer)

    services.orders.answers["GetUser"] = get
    services.orders.answers["RegisterUser"] = refused

    assert (await listed(party_url, mint(newcomer))).json() == EMPTY


async def test_a_new_person_is_refused_only_while_orders_is_unavailable(
    party_url: str, services: Services
) -> None:
    somebody = uuid.uuid4()
    empty_list(services)
    services.orders.answers["GetUser"] = Unavailable("away")

    assert refusal(await listed(party_url, mint(somebody))) == (503, "provider_unavailable")

    services.orders.answers["GetUser"] = a_user(somebody)
    assert (await listed(party_url, mint(somebody))).json() == EMPTY


async def test_token_does_not_create_a_missing_marketplace(
    party_url: str, services: Services, keys: Keys
) -> None:
    answer = await listed(party_url, mint(uuid.uuid4(), by=NOWHERE))

    assert refusal(answer) == (503, "provider_unavailable")
    assert await keys.store.find_marketplace("nowhere", environment="live") is None
    assert services.orders.asked == []


async def test_a_marketplace_named_by_its_uuid_must_exist_too(
    settings: GatewaySettings, services: Services, subject: uuid.UUID, keys: Keys
) -> None:
    empty_list(services)
    real = await keys.store.marketplace("demo", environment="live")
    mistyped = uuid.UUID(int=real.int ^ 1)
    issuers = [issuer(OWN, str(mistyped)), issuer("other", str(real))]

    async with party_gateway(settings, jwt_issuers=issuers) as url:
        ghost = await listed(url, mint(subject))
        assert services.orders.asked == []
        known = await listed(url, mint(subject, by="other"))

    assert refusal(ghost) == (503, "provider_unavailable")
    assert known.json() == EMPTY
    assert services.orders.asked[-1][2].marketplace_id == real


async def test_the_cache_of_people_is_bounded(
    settings: GatewaySettings, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.party.people.KNOWN_MAX", 2)
    empty_list(services)

    async def get(request: Any) -> Message:
        return a_user(uuid.UUID(request.user))

    services.orders.answers["GetUser"] = get
    first, second, third = (uuid.uuid4() for _ in range(3))
    async with party_gateway(settings) as url:
        for somebody in (first, second, first, third, first, second):
            await listed(url, mint(somebody))

    asked = [uuid.UUID(r.user) for method, r, _ in services.orders.asked if method == "GetUser"]
    # The person who was quiet for longest was dropped from the cache.
    assert asked == [first, second, third, second]


async def test_requests_are_counted_for_each_person(
    settings: GatewaySettings, services: Services
) -> None:
    empty_list(services)

    async def get(request: Any) -> Message:
        return a_user(uuid.UUID(request.user))

    services.orders.answers["GetUser"] = get
    busy, other = uuid.uuid4(), uuid.uuid4()
    async with party_gateway(settings, rate_limit_per_minute=2) as url:
        answers = [await listed(url, mint(busy)) for _ in range(3)]
        others = await listed(url, mint(other))

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert refusal(answers[-1]) == (429, "rate_limited")
    seconds = answers[-1].json()["detail"]["retry_after"]
    assert answers[-1].headers["retry-after"] == str(seconds)
    assert others.status_code == 200


class KeyServer(HTTPServer):
    """Serves a JWK set, or nothing, and counts how often it was asked."""

    keys: list[dict[str, Any]]
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/jwks.json"


class _Handler(BaseHTTPRequestHandler):
    server: KeyServer

    def do_GET(self) -> None:
        self.server.asked += 1
        body = json.dumps({"keys": self.server.keys}).encode()
        self.send_response(200 if self.server.keys else 500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    server = KeyServer(("127.0.0.1", 0), _Handler)
    server.keys = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def public(key: ed25519.Ed25519PrivateKey, kid: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key()))
    return found | {"kid": kid}


@contextlib.asynccontextmanager
async def fetching(settings: GatewaySettings, server: KeyServer) -> Any:
    """Serve a gateway whose issuer's keys are behind a URL."""
    fetched = Issuer(
        issuer=OWN,
        marketplace="demo",
        audience=AUDIENCE,
        algorithm="EdDSA",
        jwks_url=server.url,
    )
    async with party_gateway(settings, jwt_issuers=[fetched]) as url:
        yield url


async def test_keys_behind_a_url_can_be_rotated_and_survive_an_outage(
    settings: GatewaySettings,
    services: Services,
    subject: uuid.UUID,
    key_server: KeyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keysets, "AGAIN_SECONDS", 0)
    empty_list(services)
    old, new = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
    by_old = mint(subject, key=old, algorithm="EdDSA", kid="old")
    by_new = mint(subject, key=new, algorithm="EdDSA", kid="new")

    async with fetching(settings, key_server) as url:
        assert refusal(await listed(url, by_old)) == (503, "provider_unavailable")
        key_server.keys = [public(old, "old")]
        assert (await listed(url, by_old)).status_code == 200
        assert refusal(await listed(url, by_new)) == (401, "not_authenticated")

        key_server.keys = [public(old, "old"), public(new, "new")]
        assert (await listed(url, by_new)).status_code == 200

        key_server.keys = []
        assert (await listed(url, by_old)).status_code == 200
        assert refusal(await listed(url, mint(subject, key=new, algorithm="EdDSA", kid="x"))) == (
            401,
            "not_authenticated",
        )


async def test_unknown_keys_do_not_make_the_gateway_fetch_keys_repeatedly(
    settings: GatewaySettings, services: Services, subject: uuid.UUID, key_server: KeyServer
) -> None:
    empty_list(services)
    key = ed25519.Ed25519PrivateKey.generate()
    key_server.keys = [public(key, "k")]

    async with fetching(settings, key_server) as url:
        assert (await listed(url, mint(subject, key=key, algorithm="EdDSA", kid="k"))).is_success
        for number in range(5):
            stray = mint(subject, key=key, algorithm="EdDSA", kid=f"stray-{number}")
            assert refusal(await listed(url, stray)) == (401, "not_authenticated")

    assert key_server.asked == 1
