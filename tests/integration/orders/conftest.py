"""Orders on a real database, its peers in memory; a second process is a second `Shop`."""

import asyncio
import datetime as dt
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis import identity
from chassis.database import Database
from chassis.idempotency import Answer, RequestKey
from chassis.identity import Identity
from chassis.waiting import Bell
from kernel.clock import SystemClock
from kernel.errors import DomainError
from kernel.ids import new_id
from kernel.money import CENT
from services.orders.app import Parts
from services.orders.deadlines.chosen import Chosen
from services.orders.funds.credits import CreditService
from services.orders.offers.service import OfferService
from services.orders.operations.commands import Request
from services.orders.operations.saga import Saga
from services.orders.order.domain import Order, Origin, State
from services.orders.order.intake import NewOrder
from services.orders.people.registry import UserRegistry
from services.orders.people.users import UserType
from services.orders.queries import OrderQueries
from services.orders.service import OrderService
from services.orders.timers import Timers
from services.orders.withdrawals.carrier import Carrier
from services.orders.withdrawals.service import WithdrawalService
from tests.fakes import FakeDisputes, FakeEscrow, FakeLedger
from tests.patience import PATIENCE_SECONDS

EIGHTY, TEN = 800_000_000, 100_000_000
_keys = itertools.count(1)


class MovableClock(SystemClock):
    """The machine's clock, moved as far as the test says."""

    ahead = dt.timedelta()
    stopped: dt.datetime | None = None

    def now(self) -> dt.datetime:
        """Return the moved instant."""
        return (self.stopped or super().now()) + self.ahead

    def stop(self) -> None:
        """Let it move from now on only as the test says."""
        self.stopped = self.now()


@dataclass(slots=True)
class Peers:
    """What all processes share besides the database."""

    ledger: FakeLedger = field(default_factory=FakeLedger)
    escrow: FakeEscrow = field(default_factory=FakeEscrow)
    disputes: FakeDisputes = field(default_factory=FakeDisputes)


@dataclass(slots=True, repr=False)
class Shop:
    """One process of orders, with the marketplace that the test belongs to."""

    marketplace_id: uuid.UUID
    url: str
    database: Database
    service: OrderService
    queries: OrderQueries
    registry: UserRegistry
    saga: Saga
    crediting: CreditService
    withdrawing: WithdrawalService
    carrier: Carrier
    timers: Timers
    offers: OfferService
    chosen: Chosen
    clock: MovableClock
    peers: Peers
    new_words: Bell

    def key(self, key: str = "", fingerprint: bytes = b"f") -> RequestKey:
        """Make a request key: a new one, or the one named."""
        name = key or f"key-{next(_keys)}"
        return RequestKey(
            marketplace_id=self.marketplace_id, scope="", key=name, fingerprint=fingerprint
        )

    def ask(
        self,
        key: str = "",
        *,
        wait: float = 10,
        fingerprint: bytes = b"f",
        amount: int | None = None,
        **remarks: str,
    ) -> Request:
        """Make a command's request. remarks: `by` and `reason`."""
        return Request(
            marketplace_id=self.marketplace_id,
            key=self.key(key, fingerprint),
            wait_seconds=wait,
            amount=amount,
            remarks=remarks,
        )

    async def user(self, name: str, *, user_id: uuid.UUID | None = None) -> uuid.UUID:
        """Register a user by public id. user_id: as a token's subject names it."""
        answer = await self.registry.register(
            self.key(),
            external_user_id=name,
            public_id=name,
            email="",
            user_type=UserType.BOTH,
            user_id=user_id,
        )
        return uuid.UUID(orders_pb2.User.FromString(answer.body).id)

    async def order(self, **changes: object) -> orders_pb2.Order:
        """Create an order of 80.00 between usr_buyer and usr_seller."""
        return order_of(await self.queries.create_order(self.key(), an_order(**changes)))

    async def rich_order(self) -> orders_pb2.Order:
        """Create an order whose buyer has 100.00."""
        await self.user("usr_buyer")
        await self.user("usr_seller")
        order = await self.order()
        self.peers.ledger.available[f"user:{order.buyer.id}"] = 1_000_000_000
        return order

    async def reserved_order(self) -> orders_pb2.Order:
        """Create an order and reserve its money."""
        order = await self.rich_order()
        answer = await self.service.reserve_funds(self.ask(), order_id=oid(order))
        return order_of(answer)

    async def deployed_order(self) -> orders_pb2.Order:
        """Create an order with its contract."""
        order = await self.reserved_order()
        return order_of(await self.service.create_escrow(self.ask(), order_id=oid(order)))

    async def running_order(self) -> orders_pb2.Order:
        """Create an order and bring it to IN_PROGRESS."""
        order = await self.deployed_order()
        return order_of(await self.service.fund_escrow(self.ask(), order_id=oid(order)))

    async def read(self, order: orders_pb2.Order) -> Order:
        """Read an order as it is now."""
        found, _ = await self.queries.get_order(
            marketplace_id=self.marketplace_id, order_id=oid(order)
        )
        return found

    async def until(self, order: orders_pb2.Order, state: State) -> None:
        """Wait until an order is in a state; fails after ten seconds."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.read(order)).state is not state:  # noqa: ASYNC110 - asks Postgres
                await asyncio.sleep(0.01)

    async def events(self, order: orders_pb2.Order) -> list[tuple[str, int]]:
        """Read the types and versions of an order's events."""
        async with self.database.transaction() as tx:
            cursor = await tx.execute(
                "select event_type, version from outbox where aggregate_type = 'Order'"
                " and aggregate_id = %s order by version",
                ((await self.read(order)).public_id,),
            )
            return [(str(row[0]), int(str(row[1]))) for row in await cursor.fetchall()]

    async def count(self, table: str) -> int:
        """Count the rows of a table."""
        async with self.database.transaction() as tx:
            cursor = await tx.execute(f"select count(*) from {table}")  # noqa: S608 - the test's own names
            row = await cursor.fetchone()
            assert row is not None
            return int(str(row[0]))


async def outcomes(*calls: Awaitable[Answer]) -> tuple[list[Answer], list[DomainError]]:
    """Run calls at once; returns the answers and the refusals, anything else is raised."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, DomainError):
            raise result
    answers = [result for result in results if isinstance(result, Answer)]
    return answers, [result for result in results if isinstance(result, DomainError)]


def oid(order: orders_pb2.Order) -> uuid.UUID:
    """Return an order's id."""
    return uuid.UUID(order.id)


def order_of(answer: Answer) -> orders_pb2.Order:
    """Decode an answer."""
    return orders_pb2.Order.FromString(answer.body)


def an_order(**changes: object) -> NewOrder:
    """Ask for the guide's order, with changes."""
    fields: dict[str, object] = {
        "buyer": "usr_buyer",
        "seller": "usr_seller",
        "asset": "USDC",
        "amount": EIGHTY,
        "title": "Logo design",
        "description": "Design a logo for my startup",
        "currency": "",
        "client_order_ref": "",
        "milestones": (),
        "metadata_json": "",
        "origin": Origin.MARKETPLACE,
        "intention_id": "",
        "contract_template_id": "",
        "contract_id": "",
        "contract_terms_json": "",
    }
    return NewOrder(**(fields | changes))  # type: ignore[arg-type] # by name


@asynccontextmanager
async def open_shop(
    url: str, peers: Peers, marketplace_id: uuid.UUID, *, takes_over: bool = True
) -> AsyncIterator[Shop]:
    """Run one process of orders. takes_over: with the loops that keep leases and take them over."""
    identity.bind(_key_identity(marketplace_id))
    database = Database.open(url=url, schema="orders")
    # As a service's relay reads it from the table.
    database.short_from = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    parts = Parts(
        database=database,
        ledger=peers.ledger,
        escrow=peers.escrow,
        disputes=peers.disputes,
        platform_fee_bps={Origin.MARKETPLACE: 0, Origin.PARTY: 1000},
        wallet_wait_seconds=0,
    )
    clock = MovableClock()
    parts.clock = clock
    saga = parts.saga()
    service, crediting, carrier = parts.service(saga), parts.crediting(), parts.carrier()
    running = [saga.watch, crediting.watch, carrier.watch, *([saga.run] if takes_over else [])]
    loops = [asyncio.create_task(loop()) for loop in running]
    yield Shop(
        marketplace_id=marketplace_id,
        url=url,
        database=database,
        service=service,
        crediting=crediting,
        withdrawing=parts.withdrawing(carrier),
        carrier=carrier,
        timers=Timers(database=database, orders=parts.orders, service=service, clock=clock),
        offers=parts.offers(saga, hours=72),
        chosen=parts.chosen(),
        clock=clock,
        queries=parts.queries(),
        registry=parts.registry(),
        saga=saga,
        peers=peers,
        new_words=parts.new_words,
    )
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await saga.close()
    await crediting.close()
    await carrier.close()
    await database.close()


def _key_identity(marketplace_id: uuid.UUID) -> Identity:
    return Identity(
        caller="gateway",
        marketplace_id=marketplace_id,
        principal="key:test",
        role="marketplace",
        scopes=frozenset({"read", "write", "support"}),
        environment="test",
    )


@pytest.fixture
async def shop(database_url: Callable[[str], str]) -> AsyncIterator[Shop]:
    """One process of orders on an empty database."""
    async with open_shop(database_url("orders"), Peers(), new_id()) as opened:
        yield opened


@pytest.fixture
def postgres_admin(database_url: Callable[..., str]) -> str:
    """The URL of the test's database for its superuser."""
    return database_url()


@pytest.fixture
async def two_shops(database_url: Callable[[str], str]) -> AsyncIterator[tuple[Shop, Shop]]:
    """Two processes of orders on one database, with the same peers."""
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    async with (
        open_shop(url, peers, marketplace_id) as one,
        open_shop(url, peers, marketplace_id) as two,
    ):
        yield one, two


@pytest.fixture
async def rich(shop: Shop) -> Shop:
    """A marketplace whose buyer has 5.00."""
    buyer = await shop.user("usr_buyer")
    shop.peers.ledger.available[f"user:{buyer}"] = 500 * CENT
    return shop


@pytest.fixture
async def wealthy(rich: Shop) -> Shop:
    """A marketplace whose buyer has 100.00."""
    buyer = await rich.user("usr_buyer")
    rich.peers.ledger.available[f"user:{buyer}"] = 10_000 * CENT
    return rich
