"""Composition root of orders: the only file that knows every other file."""

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.disputes.v1 import disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2_grpc
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc

from chassis.bus import Bus
from chassis.channel import Caller, open_channel
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.identity import Signer
from chassis.outbox import Outbox
from chassis.runner import App
from chassis.server import Binding
from kernel.clock import SystemClock
from services.orders import wire
from services.orders.clients import DisputesClient, EscrowClient, LedgerClient
from services.orders.commands import CommandRunner
from services.orders.credits import CreditService
from services.orders.domain import Origin
from services.orders.operation_store import OperationStore
from services.orders.queries import OrderQueries
from services.orders.registry import UserRegistry
from services.orders.saga import Saga
from services.orders.service import OrderService
from services.orders.servicer import ACCESS, OrdersServicer
from services.orders.settings import OrdersSettings
from services.orders.steps import Steps
from services.orders.store import OrderStore
from services.orders.user_store import UserStore

PROVISION_SECONDS = 2.0
PURGE_SECONDS = 600.0


async def build(settings: OrdersSettings) -> App:
    """Assemble the service; nothing has been connected yet."""
    database = Database.open(
        url=settings.database_url, schema="orders", pool_size=settings.database_pool_size
    )
    parts = _Parts(settings, database)
    saga = parts.saga()
    crediting = parts.crediting()
    registry = parts.registry()
    servicer = OrdersServicer(
        service=OrderService(
            database=database, orders=parts.orders, commands=parts.commands(saga), clock=parts.clock
        ),
        queries=parts.queries(),
        registry=registry,
        crediting=crediting,
    )
    return App(
        name="orders",
        settings=settings,
        binding=Binding(
            servicer=servicer,
            add=orders_pb2_grpc.add_OrdersServiceServicer_to_server,
            descriptor=orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
            access=ACCESS,
        ),
        database=database,
        bus=Bus(url=settings.nats_url, name="orders"),
        background={
            "take_over": saga.take_over,
            "renew": saga.renew,
            "provision": lambda: _every(PROVISION_SECONDS, registry.provision_waiting),
            "purge": lambda: _every(PURGE_SECONDS, lambda: parts.idempotency.purge(database)),
            "credits": crediting.resume,
        },
        close=(saga.close, crediting.close, parts.close),
    )


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await work()
        await asyncio.sleep(seconds)


class _Parts:
    """The parts that several others are made of."""

    def __init__(self, settings: OrdersSettings, database: Database) -> None:
        self.clock = SystemClock()
        self.outbox, self.operations = Outbox(), OperationStore()
        self.orders, self.idempotency = OrderStore(self.outbox), Idempotency(clock=self.clock)
        self._settings = settings
        self._database = database
        secret = settings.service_secret.get_secret_value()
        caller = Caller(Signer(secret=secret, caller="orders"))
        addresses = (settings.ledger_address, settings.escrow_address, settings.disputes_address)
        self._channels = [open_channel(address) for address in addresses]
        ledger, escrow, disputes = self._channels
        self.ledger = LedgerClient(ledger_pb2_grpc.LedgerServiceStub(ledger), caller)
        self.escrow = EscrowClient(escrow_pb2_grpc.EscrowServiceStub(escrow), caller)
        self.disputes = DisputesClient(disputes_pb2_grpc.DisputesServiceStub(disputes), caller)

    def saga(self) -> Saga:
        """Make the engine with its steps."""
        steps = Steps(
            ledger=self.ledger, escrow=self.escrow, disputes=self.disputes, clock=self.clock
        )
        return Saga(
            database=self._database,
            orders=self.orders,
            operations=self.operations,
            idempotency=self.idempotency,
            clock=self.clock,
            encode=wire.encode_order,
            steps=steps.table(),
        )

    def commands(self, saga: Saga) -> CommandRunner:
        """Make what begins commands."""
        return CommandRunner(
            database=self._database,
            orders=self.orders,
            operations=self.operations,
            idempotency=self.idempotency,
            saga=saga,
            encode=wire.encode_order,
        )

    def queries(self) -> OrderQueries:
        """Make creation and reading."""
        return OrderQueries(
            database=self._database,
            outbox=self.outbox,
            idempotency=self.idempotency,
            ledger=self.ledger,
            escrow=self.escrow,
            clock=self.clock,
            encode=wire.encode_order,
            platform_fee_bps={
                Origin.MARKETPLACE: self._settings.platform_fee_bps_marketplace,
                Origin.PARTY: self._settings.platform_fee_bps_party,
            },
        )

    def registry(self) -> UserRegistry:
        """Make the users."""
        return UserRegistry(
            database=self._database,
            outbox=self.outbox,
            idempotency=self.idempotency,
            ledger=self.ledger,
            escrow=self.escrow,
            clock=self.clock,
            encode=wire.encode_user,
            wallet_wait_seconds=self._settings.wallet_wait_seconds,
        )

    def crediting(self) -> CreditService:
        """Make manual credits."""
        return CreditService(
            database=self._database,
            users=UserStore(self.outbox),
            idempotency=self.idempotency,
            ledger=self.ledger,
            escrow=self.escrow,
            clock=self.clock,
            encode=wire.encode_credit,
        )

    async def close(self) -> None:
        """Close the channels to the peers."""
        for channel in self._channels:
            await channel.close()
