"""A gateway with two issuers, in front of recorded services.

    async def test_x(person, services):
        services.orders.answers["GetOrder"] = an_order()
        answer = await person.get("/api/v1/orders/…")

`person` is a client with the token of somebody whom orders knows; `mint` makes other tokens.
"""

import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import jwt
import pytest
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2
from pydantic import SecretBytes

from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.settings import GatewaySettings, Issuer
from kernel.errors import NotFound
from kernel.ids import to_public
from tests.integration.gateway.conftest import Keys, Services, serving
from tests.integration.gateway.messages import an_order
from tests.patience import PATIENCE_SECONDS

SECRET = b"a secret of an issuer of these tests"
AUDIENCE = "orders"
OWN, NOWHERE = "idp", "idp of nowhere"
Mint = Callable[..., str]


def issuer(name: str, marketplace: str) -> Issuer:
    """Return an issuer with the shared secret."""
    return Issuer(
        issuer=name,
        marketplace=marketplace,
        audience=AUDIENCE,
        algorithm="HS256",
        key=SecretBytes(SECRET),
    )


def mint(subject: uuid.UUID, *, by: str = OWN, key: Any = SECRET, **more: Any) -> str:
    """Make a token. more: further claims, and `algorithm` and `kid`."""
    now = int(time.time())
    algorithm = more.pop("algorithm", "HS256")
    headers = {"kid": more.pop("kid")} if "kid" in more else {}
    claims = {"iss": by, "sub": str(subject), "aud": AUDIENCE, "iat": now, "exp": now + 600}
    return jwt.encode(claims | more, key, algorithm=algorithm, headers=headers)


@contextlib.asynccontextmanager
async def party_gateway(settings: GatewaySettings, **changes: Any) -> AsyncIterator[str]:
    """Serve a gateway for the block; yields its URL."""
    port = free_port()
    issuers = [issuer(OWN, "demo"), issuer(NOWHERE, "nowhere")]
    changed = settings.model_copy(update={"gateway_port": port, "jwt_issuers": issuers} | changes)
    async with open_gateway(changed) as app, serving(app, port) as url:
        yield url


@pytest.fixture(scope="session")
async def party_url(settings: GatewaySettings, keys: Keys) -> AsyncIterator[str]:
    """The URL of the session's gateway; the demo marketplace is there."""
    await keys.store.marketplace("demo", environment="live")
    async with party_gateway(settings) as url:
        yield url


def a_user(user_id: uuid.UUID) -> orders_pb2.User:
    """Return a user as orders answers it."""
    return orders_pb2.User(id=str(user_id), public_id=to_public("usr", user_id))


def own_order(subject: uuid.UUID, state: str = "ORDER_CREATED", **changes: Any) -> orders_pb2.Order:
    """Return an order with a given personal user."""
    buyer = common_pb2.UserRef(id=str(subject), public_id=to_public("usr", subject))
    return an_order(state, buyer=buyer, **changes)


@pytest.fixture
def subject(services: Services) -> uuid.UUID:
    """A person whom orders knows."""
    known = uuid.uuid4()
    services.orders.answers["GetUser"] = a_user(known)
    return known


@pytest.fixture
async def person(party_url: str, subject: uuid.UUID) -> AsyncIterator[httpx.AsyncClient]:
    """A client with their token."""
    headers = {"authorization": f"Bearer {mint(subject)}"}
    async with httpx.AsyncClient(
        base_url=party_url, headers=headers, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


@pytest.fixture
def nobody_known(services: Services) -> Services:
    """The services, of which orders knows no user."""
    services.orders.answers["GetUser"] = NotFound("User not found", reason="USER_NOT_FOUND")
    return services


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal in the parties' shape."""
    document = json.loads(answer.text)
    assert set(document) - {"errors"} == {"code", "message", "detail"}
    return answer.status_code, document["code"]
