"""Composition root of orders: the only file that knows every other file."""

import asyncio

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

PROVISION_SECONDS = 2.0
PURGE_SECONDS = 600.0


async def build(settings: OrdersSettings) -> App:
    """Assemble the service; nothing has been connected yet."""
    clock = SystemClock()
    database = Database.open(
        url=settings.database_url, schema="orders", pool_size=settings.database_pool_size
    )
    caller = Caller(Signer(secret=settings.service_secret.get_secret_value(), caller="orders"))
    channels = [
        open_channel(address)
        for address in (
            settings.ledger_address,
            settings.escrow_address,
            settings.disputes_address,
        )
    ]
    ledger = LedgerClient(ledger_pb2_grpc.LedgerServiceStub(channels[0]), caller)
    escrow = EscrowClient(escrow_pb2_grpc.EscrowServiceStub(channels[1]), caller)
    disputes = DisputesClient(disputes_pb2_grpc.DisputesServiceStub(channels[2]), caller)
    outbox, operations = Outbox(), OperationStore()
    orders, idempotency = OrderStore(outbox), Idempotency(clock=clock)
    steps = Steps(ledger=ledger, escrow=escrow, disputes=disputes, clock=clock)
    saga = Saga(
        database=database,
        orders=orders,
        operations=operations,
        idempotency=idempotency,
        clock=clock,
        encode=wire.encode_order,
        steps=steps.table(),
    )
    commands = CommandRunner(
        database=database,
        orders=orders,
        operations=operations,
        idempotency=idempotency,
        saga=saga,
        encode=wire.encode_order,
    )
    service = OrderService(database=database, orders=orders, commands=commands, clock=clock)
    registry = UserRegistry(
        database=database,
        outbox=outbox,
        idempotency=idempotency,
        ledger=ledger,
        escrow=escrow,
        clock=clock,
        encode=wire.encode_user,
        wallet_wait_seconds=settings.wallet_wait_seconds,
    )
    queries = OrderQueries(
        database=database,
        outbox=outbox,
        idempotency=idempotency,
        ledger=ledger,
        escrow=escrow,
        clock=clock,
        encode=wire.encode_order,
        platform_fee_bps={
            Origin.MARKETPLACE: settings.platform_fee_bps_marketplace,
            Origin.PARTY: settings.platform_fee_bps_party,
        },
    )

    async def provision() -> None:
        while True:
            await asyncio.sleep(PROVISION_SECONDS)
            await registry.provision_waiting()

    async def purge() -> None:
        while True:
            await idempotency.purge(database)
            await asyncio.sleep(PURGE_SECONDS)

    async def close_channels() -> None:
        for channel in channels:
            await channel.close()

    return App(
        name="orders",
        settings=settings,
        binding=Binding(
            servicer=OrdersServicer(service=service, queries=queries, registry=registry),
            add=orders_pb2_grpc.add_OrdersServiceServicer_to_server,
            descriptor=orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
            access=ACCESS,
        ),
        database=database,
        bus=Bus(url=settings.nats_url, name="orders"),
        background={
            "take_over": saga.take_over,
            "renew": saga.renew,
            "provision": provision,
            "purge": purge,
        },
        close=(saga.close, close_channels),
    )
