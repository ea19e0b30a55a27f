"""A gateway on a real socket, with its real table of keys, in front of recorded services.

The services' side is real too (sockets, identity, field rules); only what they answer is set by
the test:

    def test_x(rest, services):
        services.orders.answers["GetOrder"] = an_order()
        answer = await rest.get("/api/v1/orders/ord_…")
        assert services.orders.last("GetOrder").order_id == "…"
"""

import asyncio
import importlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message
from orchestrator.disputes.v1 import disputes_pb2, disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc
from orchestrator.webhooks.v1 import webhooks_pb2, webhooks_pb2_grpc
from pydantic import SecretStr

from chassis.bus import keep_stream
from chassis.database import Database
from chassis.identity import REPLAYED_KEY, Identity, current
from chassis.nats_settings import StreamLimits
from chassis.server import Binding, Server
from deploy.local.ports import free_port
from gateway.app import open_gateway
from gateway.dispatcher import Dispatcher
from gateway.keys import SCOPES, KeyStore
from gateway.server import Server as WebServer
from gateway.settings import GatewaySettings
from kernel.errors import DomainError, NotFound
from tests.identities import key_file, verifier
from tests.patience import PATIENCE_SECONDS

PEPPER = "a pepper of the gateway, for tests only!"
Answering = Callable[[Any], Awaitable[Message]]


@dataclass(slots=True)
class Recorded:
    """One service: its answers by method, and the requests it got with their callers."""

    answers: dict[str, Message | DomainError | Answering] = field(default_factory=dict)
    asked: list[tuple[str, Any, Identity]] = field(default_factory=list)
    replays: bool = False

    def last(self, method: str) -> Any:
        """Return the last request of a method."""
        return next(request for name, request, _ in reversed(self.asked) if name == method)

    def clear(self) -> None:
        """Forget everything."""
        self.answers.clear()
        self.asked.clear()
        self.replays = False

    async def answer(self, method: str, request: Any, context: Any) -> Message:
        self.asked.append((method, request, current()))
        if self.replays:
            context.set_trailing_metadata(((REPLAYED_KEY, "true"),))
        given = self.answers.get(method)
        if given is None:
            raise NotFound(f"nothing recorded for {method}", reason="NOTHING_RECORDED")
        if isinstance(given, DomainError):
            raise given
        return given if isinstance(given, Message) else await given(request)


@dataclass(slots=True)
class Services:
    """The five services."""

    orders: Recorded = field(default_factory=Recorded)
    ledger: Recorded = field(default_factory=Recorded)
    escrow: Recorded = field(default_factory=Recorded)
    disputes: Recorded = field(default_factory=Recorded)
    webhooks: Recorded = field(default_factory=Recorded)
    servers: dict[str, Server] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)


CONTRACTS: dict[str, tuple[Any, Any]] = {
    "orders": (orders_pb2, orders_pb2_grpc.add_OrdersServiceServicer_to_server),
    "ledger": (ledger_pb2, ledger_pb2_grpc.add_LedgerServiceServicer_to_server),
    "escrow": (escrow_pb2, escrow_pb2_grpc.add_EscrowServiceServicer_to_server),
    "disputes": (disputes_pb2, disputes_pb2_grpc.add_DisputesServiceServicer_to_server),
    "webhooks": (webhooks_pb2, webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server),
}


def binding_of(name: str, recorded: Recorded) -> Binding:
    """Return a service of the contract whose answers are recorded."""
    module, add = CONTRACTS[name]
    descriptor = module.DESCRIPTOR.services_by_name[f"{name.title()}Service"]
    methods = [method.name for method in descriptor.methods]

    def method(name: str) -> Any:
        async def call(_self: object, request: Any, context: Any) -> Message:
            return await recorded.answer(name, request, context)

        return call

    servicer = type("Servicer", (), {name: method(name) for name in methods})()
    # With the services' own allow-lists, so the gateway can call here what it may call there.
    access = importlib.import_module(f"services.{name}.servicer").ACCESS
    return Binding(servicer=servicer, add=add, descriptor=descriptor, access=access)


@pytest.fixture(scope="session")
async def recorded_services() -> AsyncIterator[Services]:
    services = Services()
    for name in CONTRACTS:
        binding = binding_of(name, getattr(services, name))
        server = Server(binding=binding, verifier=verifier(), with_reflection=False)
        port = await server.start(host="127.0.0.1", port=0)
        await server.set_ready(ready=True)
        services.servers[name], services.addresses[name] = server, f"127.0.0.1:{port}"
    yield services
    for server in services.servers.values():
        await server.stop(grace_seconds=0)


@pytest.fixture(autouse=True)
def nothing_recorded(request: pytest.FixtureRequest) -> None:
    """Forget what the test before recorded, also for tests that only have the gateway."""
    if "recorded_services" in request.fixturenames:
        for name in CONTRACTS:
            getattr(request.getfixturevalue("recorded_services"), name).clear()


@pytest.fixture
def services(recorded_services: Services) -> Services:
    """The recorded services, with nothing recorded yet."""
    return recorded_services


@pytest.fixture(scope="session")
def gateway_database(make_database: Any) -> Any:
    """The database of the session's gateway."""
    return make_database()


@pytest.fixture(scope="session")
def database_admin(gateway_database: Any) -> str:
    """The URL of its superuser."""
    url: str = gateway_database.url()
    return url


@pytest.fixture(scope="session", autouse=True)
async def events_stream(nats_url: str) -> None:
    """The stream of events is there: the gateway reads it and never makes it."""
    await keep_stream(nats_url, limits=StreamLimits())


@pytest.fixture(scope="session")
def settings(gateway_database: Any, nats_url: str, recorded_services: Services) -> GatewaySettings:
    """The settings of the session's gateway."""
    addresses = recorded_services.addresses
    return GatewaySettings(
        database_url=gateway_database.url("gateway"),
        nats_url=nats_url,
        identity_key_file=key_file("gateway"),
        api_key_pepper=SecretStr(PEPPER),
        gateway_port=free_port(),
        orders_address=addresses["orders"],
        ledger_address=addresses["ledger"],
        escrow_address=addresses["escrow"],
        disputes_address=addresses["disputes"],
        webhooks_address=addresses["webhooks"],
    )


@asynccontextmanager
async def serving(
    app: Dispatcher, port: int, *, settings: GatewaySettings | None = None
) -> AsyncIterator[str]:
    """Serve a gateway on a socket as its process does; yields its URL."""
    if settings is None:
        settings = GatewaySettings.model_construct(gateway_port=port, stop_grace_seconds=5)
    server = WebServer(app, settings)
    task = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.handle_exit(signal.SIGTERM, None)
        await task


@pytest.fixture(scope="session")
async def gateway(settings: GatewaySettings) -> AsyncIterator[str]:
    """The URL of a gateway."""
    async with open_gateway(settings) as app, serving(app, settings.gateway_port) as url:
        yield url


@dataclass(slots=True, kw_only=True)
class Keys:
    """Makes API keys."""

    store: KeyStore

    async def make(self, *scopes: str, marketplace: str = "demo", environment: str = "live") -> str:
        """Return a new key, with every scope unless some are given."""
        marketplace_id = await self.store.marketplace(marketplace, environment=environment)
        made = await self.store.create(
            marketplace_id=marketplace_id, environment=environment, scopes=scopes or SCOPES
        )
        return made.text


@pytest.fixture(scope="session")
async def keys(settings: GatewaySettings) -> AsyncIterator[Keys]:
    """Makes API keys that the session's gateway knows."""
    database = Database.open(url=settings.database_url, schema="gateway", pool_size=2)
    yield Keys(store=KeyStore(database, pepper=PEPPER))
    await database.close()


@pytest.fixture(scope="session")
async def demo_key(keys: Keys) -> str:
    """A key with every scope."""
    return await keys.make()


@pytest.fixture
async def bare(gateway: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential."""
    async with httpx.AsyncClient(base_url=gateway) as client:
        yield client


@pytest.fixture
async def rest(gateway: str, demo_key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of every scope."""
    headers = {"authorization": f"Bearer {demo_key}"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers) as client:
        yield client
