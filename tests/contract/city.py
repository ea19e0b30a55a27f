"""The four services in this process, connected over real sockets, each started on first use."""

import importlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import psycopg

from chassis.channel import open_channel
from chassis.runner import App
from deploy.local.ports import free_port
from deploy.local.stack import chain_settings
from kernel.money import CENT, to_text
from tests.conftest import RunningDevnet, TestDatabase
from tests.contract.bundled import Bundled
from tests.contract.descriptors import STUBS
from tests.contract.inprocess import InProcess
from tests.identities import TRUST_FILE, key_file
from tests.patience import PATIENCE_SECONDS
from tests.serving import ESCROW_EVENT_KEYS, EVENT_SIGNING_KEY, Client, Socket, Transport, serving

Way = Literal["grpcio-testing", "socket", "bundle"]
WAYS: tuple[Way, ...] = ("grpcio-testing", "socket", "bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running service, called over a socket, alone or in a bundle, or in the process."""

    app: App
    address: str
    transports: Mapping[str, Transport]

    def client(self, way: Way, *, marketplace_id: uuid.UUID | None = None) -> Client:
        """Return a client of the service, by default for a new marketplace."""
        return Client(transport=self.transports[way], marketplace_id=marketplace_id or uuid.uuid4())

    def caller(self, method: str) -> str:
        """Return a caller that is allowed to call a method."""
        return min(self.app.binding.access[method].callers)


@dataclass(kw_only=True)
class City:
    """Starts services and the services that they call. devnet: started if a chain is needed.

    settings: of all services, in addition to the defaults here.
    """

    database: TestDatabase
    nats_url: str
    devnet: Callable[[], RunningDevnet]
    folder: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _served: dict[str, Served] = field(default_factory=dict)
    _counting: tuple[psycopg.Connection, psycopg.sql.Composed] | None = None

    async def get(self, name: str) -> Served:
        """Return a running service."""
        if name not in self._served:
            self._served[name] = await self._start(name)
        return self._served[name]

    async def close(self) -> None:
        """Stop the services in reverse order."""
        await self._stack.aclose()

    async def _start(self, name: str) -> Served:
        environment = await self._environment(name)
        read = importlib.import_module(f"services.{name}.settings")
        settings = getattr(read, f"{name.capitalize()}Settings")(**environment)
        app: App = await importlib.import_module(f"services.{name}.app").build(settings)
        address = await self._stack.enter_async_context(serving(app))
        channel = await self._stack.enter_async_context(open_channel(address))
        transports: dict[str, Transport] = {
            "grpcio-testing": InProcess(app.binding),
            "socket": Socket(stub=STUBS[name](channel)),
            "bundle": Bundled(channel, app.binding.descriptor),
        }
        return Served(app=app, address=address, transports=transports)

    async def _environment(self, name: str) -> dict[str, Any]:
        environment: dict[str, Any] = {
            "database_url": self.database.url(name),
            "nats_url": self.nats_url,
            "trust_file": TRUST_FILE,
            "grpc_port": free_port(),
            **self.settings,
        }
        if name == "escrow":
            environment |= {**self._chain(), "event_signing_key": EVENT_SIGNING_KEY}
        if name == "ledger":
            environment["escrow_event_keys"] = ESCROW_EVENT_KEYS
        if name == "webhooks":
            environment["webhook_key"] = "a key for the secrets of webhooks, of tests"
        if name == "orders":
            environment["identity_key_file"] = key_file(name)
            for other in ("ledger", "escrow", "disputes"):
                environment[f"{other}_address"] = (await self.get(other)).address
        return environment

    def _chain(self) -> dict[str, Any]:
        told = chain_settings(self.devnet().url)
        return {
            **{name.lower(): value for name, value in told.items()},
            "key_file": f"{self.folder}/contract-keys",
            "chain_poll_seconds": 0.1,
            "platform_float_usdc": 100_000,
        }

    def allow_credits(self, marketplace_id: uuid.UUID) -> None:
        """Allow manual credits in a marketplace."""
        with psycopg.connect(self.database.url()) as connection:
            connection.execute(_ALLOW_CREDITS, (marketplace_id,))

    def require_approval(self, marketplace_id: uuid.UUID, *, above: int | None) -> None:
        """Require a second key's approval of withdrawals above an amount; None: never."""
        with psycopg.connect(self.database.url()) as connection:
            connection.execute(_REQUIRE_APPROVAL, {"id": marketplace_id, "above": above})

    async def pay_in(self, address: str, *, cents: int) -> None:
        """Pay USDC to an address from outside, on chain."""
        body = {"address": address, "amount": to_text(cents * CENT)}
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            paid = await client.post(f"{self.devnet().url}/faucet", json=body)
            paid.raise_for_status()

    def rows(self, marketplace_id: uuid.UUID) -> dict[str, int]:
        """Count a marketplace's rows in every table of every schema, omitting empty ones."""
        if self._counting is None:
            # The connection is kept, because a new connection costs more than a count.
            connection = psycopg.connect(self.database.url(), autocommit=True)
            self._stack.callback(connection.close)
            self._counting = connection, _count_of(connection.execute(_TABLES).fetchall())
        connection, count = self._counting
        counted = connection.execute(count, {"marketplace": marketplace_id}).fetchall()
        return {name: rows for name, rows in counted if rows}


def _count_of(tables: Sequence[tuple[str, str]]) -> psycopg.sql.Composed:
    """Return one statement that counts a marketplace's rows in each table."""
    one = psycopg.sql.SQL(
        "select {name}, count(*) from {table} where marketplace_id = %(marketplace)s"
    )
    counts = [
        one.format(name=f"{schema}.{table}", table=psycopg.sql.Identifier(schema, table))
        for schema, table in tables
    ]
    return psycopg.sql.SQL(" union all ").join(counts)


_ALLOW_CREDITS = """
insert into orders.marketplaces (id, allows_manual_credit) values (%s, true)
on conflict (id) do update set allows_manual_credit = true
"""
_REQUIRE_APPROVAL = """
insert into orders.marketplaces (id, approval_above) values (%(id)s, %(above)s)
on conflict (id) do update set approval_above = %(above)s
"""
_TABLES = """
select table_schema, table_name from information_schema.columns
where column_name = 'marketplace_id'
  and table_schema in ('orders', 'ledger', 'escrow', 'disputes', 'webhooks')
order by 1, 2
"""
