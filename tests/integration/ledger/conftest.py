"""The ledger on a real PostgreSQL: its rooms put together by hand, or served on a socket."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from orchestrator.ledger.v1 import ledger_pb2_grpc

from chassis.channel import open_channel
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.outbox import Outbox
from deploy.local.ports import free_port
from kernel.clock import Clock, SystemClock
from kernel.ids import MarketplaceId, TransferId, UserId
from services.ledger import wire
from services.ledger.app import build
from services.ledger.batch import Batcher, Posting
from services.ledger.book import Balance, Invariant, NewTransfer, Result, TransferCode, TransferType
from services.ledger.deposits.service import Deposits
from services.ledger.deposits.store import DepositStore
from services.ledger.queries import LedgerQueries
from services.ledger.service import LedgerService
from services.ledger.settings import LedgerSettings
from services.ledger.store import LedgerStore
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE
from tests.serving import ESCROW_EVENT_KEYS, Client, Socket, serving

WORLD = "external:stellar"
USDC = "USDC"


@dataclass(slots=True, kw_only=True)
class Replica:
    """One process's worth of ledger, without its server."""

    database: Database
    batcher: Batcher
    service: LedgerService
    deposits: Deposits

    async def close(self) -> None:
        await self.batcher.close()
        await self.database.close()


@dataclass(slots=True, kw_only=True)
class House:
    """A database, the replicas on it, and short methods for tests."""

    url: str
    owner_url: str
    replicas: list[Replica]
    marketplace: MarketplaceId = field(default_factory=lambda: MarketplaceId(uuid.uuid4()))

    @property
    def service(self) -> LedgerService:
        return self.replicas[0].service

    @property
    def deposits(self) -> Deposits:
        return self.replicas[0].deposits

    async def replica(self, *, clock: Clock | None = None, **options: Any) -> Replica:
        """Start another replica. options: of the Batcher."""
        database = Database.open(url=self.url, schema="ledger")
        # As a service's relay reads it from the table.
        database.short_from = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        clock = clock or SystemClock()
        store = LedgerStore(outbox=Outbox())
        batcher = Batcher(database=database, store=store, clock=clock, **options)
        service = LedgerService(
            database=database,
            batcher=batcher,
            queries=LedgerQueries(),
            idempotency=Idempotency(),
            clock=clock,
            encode=wire.account_bytes,
        )
        deposits = Deposits(database=database, batcher=batcher, store=DepositStore())
        self.replicas.append(
            Replica(database=database, batcher=batcher, service=service, deposits=deposits)
        )
        return self.replicas[-1]

    async def user(self, amount: int = 0, *, public_id: str = "") -> str:
        """Open an account with that much in it; returns its name."""
        user_id = UserId(uuid.uuid4())
        async with self.replicas[0].database.transaction() as tx:
            await LedgerQueries().open_account(
                tx,
                marketplace_id=self.marketplace,
                user_id=user_id,
                public_id=public_id or f"usr_{user_id.hex}",
                asset=USDC,
                at=SystemClock().now(),
            )
        name = f"user:{user_id}"
        if amount:
            [result] = await self.post(single(WORLD, name, amount))
            assert result.reason == ""
        return name

    async def post(self, *asked: NewTransfer, replica: int = 0) -> Sequence[Result]:
        posted = await self.replicas[replica].service.post_transfers(
            Posting(marketplace_id=self.marketplace, transfers=asked, correlation_id="test")
        )
        return posted.results

    async def balance(self, name: str) -> Balance:
        return await self.service.get_balance(
            marketplace_id=self.marketplace,
            user_id=UserId(uuid.UUID(name.removeprefix("user:"))),
            asset=USDC,
        )

    async def holds(self) -> list[Invariant]:
        """Check every invariant of every marketplace; fails if one does not hold."""
        found = await self.service.check_invariants(marketplace_id=None)
        assert not [one for one in found if not one.holds], found
        return found

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as the owner of the schema."""
        with psycopg.connect(self.owner_url) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []


def single(debit: str, credit: str, amount: int, **changes: Any) -> NewTransfer:
    """Ask for a SINGLE in minor units; changes: fields of NewTransfer."""
    asked = NewTransfer(
        id=TransferId(uuid.uuid4()),
        type=TransferType.SINGLE,
        code=TransferCode.DEPOSIT if debit == WORLD else TransferCode.RELEASE,
        debit=debit,
        credit=credit,
        asset=USDC,
        amount=amount,
        pending_id=None,
        linked=False,
        order_id=None,
        transaction_hash="",
        reason="",
    )
    return asked._replace(**changes)


def pending(debit: str, credit: str, amount: int, **changes: Any) -> NewTransfer:
    kind, code = TransferType.PENDING, TransferCode.RESERVE
    return single(debit, credit, amount, **({"type": kind, "code": code} | changes))


def post(hold: NewTransfer, amount: int | None = None, **changes: Any) -> NewTransfer:
    return _end(hold, TransferType.POST, TransferCode.FUND, amount, changes)


def void(hold: NewTransfer, **changes: Any) -> NewTransfer:
    return _end(hold, TransferType.VOID, TransferCode.CANCEL, None, changes)


def bar(hold: NewTransfer, **changes: Any) -> NewTransfer:
    """Ask to void a hold, or to bar it if it does not exist."""
    named = {"debit": hold.debit, "credit": hold.credit, "bars": True}
    return _end(hold, TransferType.VOID, TransferCode.CANCEL, hold.amount, named | changes)


def _end(
    hold: NewTransfer,
    kind: TransferType,
    code: TransferCode,
    amount: int | None,
    changes: dict[str, Any],
) -> NewTransfer:
    asked = single("", "", 0, type=kind, code=code, pending_id=hold.id)
    asset = "" if amount is None else USDC
    return asked._replace(**({"amount": amount, "asset": asset} | changes))


def escrow() -> str:
    return f"escrow:{uuid.uuid4()}"


@asynccontextmanager
async def _house(database: TestDatabase) -> AsyncIterator[House]:
    house = House(url=database.url("ledger"), owner_url=database.url(), replicas=[])
    await house.replica()
    try:
        yield house
    finally:
        for replica in house.replicas:
            await replica.close()


@pytest.fixture(scope="session")
def ledger_database(make_database: Callable[[], TestDatabase]) -> TestDatabase:
    """A database that tests share, each in a marketplace of its own."""
    return make_database()


@pytest.fixture
async def house(ledger_database: TestDatabase) -> AsyncIterator[House]:
    """A ledger with one replica; every invariant holds when the test is over."""
    async with _house(ledger_database) as made:
        yield made
        await made.holds()


@pytest.fixture
async def own_house(database: TestDatabase) -> AsyncIterator[House]:
    """A ledger with a database of this test alone, to break it."""
    async with _house(database) as made:
        yield made


@pytest.fixture(scope="session")
async def ledger_address(
    make_database: Callable[[], TestDatabase], nats_url: str
) -> AsyncIterator[str]:
    """host:port of a served ledger with its relay and its consumer."""
    async with serving(await build(ledger_settings(make_database(), nats_url))) as address:
        yield address


@asynccontextmanager
async def serving_ledger(
    database: TestDatabase, nats_url: str, **changed: Any
) -> AsyncIterator[Client]:
    """Serve a ledger with settings of its own; yields calls to it."""
    app = await build(ledger_settings(database, nats_url, **changed))
    async with serving(app) as address, open_channel(address) as channel:
        yield Client(transport=Socket(stub=ledger_pb2_grpc.LedgerServiceStub(channel)))


def ledger_settings(database: TestDatabase, nats_url: str, **changed: Any) -> LedgerSettings:
    """Return a ledger's settings, some of them changed."""
    given: dict[str, Any] = {
        "database_url": database.url("ledger"),
        "nats_url": nats_url,
        "escrow_event_keys": ESCROW_EVENT_KEYS,
        "trust_file": TRUST_FILE,
        "grpc_port": free_port(),
    }
    return LedgerSettings(**{**given, **changed})


@pytest.fixture
async def ledger(ledger_address: str) -> AsyncIterator[Client]:
    """Calls to the served ledger for a marketplace of this test alone."""
    async with open_channel(ledger_address) as channel:
        yield Client(transport=Socket(stub=ledger_pb2_grpc.LedgerServiceStub(channel)))
