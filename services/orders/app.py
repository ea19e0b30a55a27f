"""Composition root of orders: the only module that imports every other one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import grpc
from orchestrator.disputes.v1 import disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2_grpc
from orchestrator.orders.v1 import orders_pb2, orders_pb2_grpc

from chassis.audit import Trail
from chassis.bus import Bus
from chassis.channel import Caller, open_channel
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.outbox import Outbox
from chassis.relay import CONNECTIONS as RELAY_CONNECTIONS
from chassis.runner import App
from chassis.server import Binding
from chassis.waiting import Bell, at_most
from kernel.clock import Clock, SystemClock
from services.orders import wire
from services.orders.deadlines import wire as deadlines_wire
from services.orders.deadlines.chosen import Chosen
from services.orders.funds.credits import CreditService
from services.orders.funds.holds import Holds
from services.orders.lookups.indexer import WordIndexer
from services.orders.measures import MEASURES
from services.orders.offers import wire as offers_wire
from services.orders.offers.service import OfferService
from services.orders.offers.store import OfferStore
from services.orders.operations.commands import CommandRunner
from services.orders.operations.milestone_steps import MilestoneSteps
from services.orders.operations.operation_store import OperationStore
from services.orders.operations.saga import Saga
from services.orders.operations.steps import Steps
from services.orders.order.domain import Origin
from services.orders.order.store import OrderStore
from services.orders.peers.checking import CheckingClients
from services.orders.peers.clients import DisputesClient, EscrowClient, LedgerClient
from services.orders.peers.ports import CheckingPeers, DisputesPort, EscrowPort, LedgerPort
from services.orders.peers.redirecting import RedirectClient, RedirectPort
from services.orders.people.registry import UserRegistry
from services.orders.people.user_store import UserStore
from services.orders.previews import rehearsal
from services.orders.previews.credits import RehearsedCredits
from services.orders.previews.servicer import Rehearsal
from services.orders.queries import OrderQueries
from services.orders.reconciliation.clients import Balances, Holders
from services.orders.reconciliation.difference_store import DifferenceStore
from services.orders.reconciliation.reconciler import CONNECTIONS as RECONCILE_CONNECTIONS
from services.orders.reconciliation.reconciler import Reconciler
from services.orders.service import OrderService
from services.orders.servicer import ACCESS, OrdersServicer
from services.orders.settings import OrdersSettings
from services.orders.timers import Timers
from services.orders.withdrawals import wire as withdrawals_wire
from services.orders.withdrawals.carrier import Carrier
from services.orders.withdrawals.redirects import RedirectService
from services.orders.withdrawals.service import WithdrawalService
from services.orders.withdrawals.store import WithdrawalStore

FOLD_SECONDS = 5.0
PURGE_SECONDS = 600.0
_BINDING = partial(
    Binding,
    add=orders_pb2_grpc.add_OrdersServiceServicer_to_server,
    descriptor=orders_pb2.DESCRIPTOR.services_by_name["OrdersService"],
    access=ACCESS,
)


async def build(settings: OrdersSettings) -> App:
    """Assemble the service without opening a connection."""
    database = Database.open(
        url=settings.database_url,
        schema="orders",
        pool_size=settings.database_pool_size,
        beside=RELAY_CONNECTIONS + RECONCILE_CONNECTIONS,
        silence_seconds=settings.silence_seconds,
    )
    caller = Caller(settings.signer(caller="orders"))
    own = settings.certificates()
    peers = {
        "ledger": settings.ledger_address,
        "escrow": settings.escrow_address,
        "disputes": settings.disputes_address,
    }
    channels = [
        open_channel(address, silence_seconds=settings.silence_seconds, peer=peer, own=own)
        for peer, address in peers.items()
    ]
    ledger = ledger_pb2_grpc.LedgerServiceStub(channels[0])
    escrow = escrow_pb2_grpc.EscrowServiceStub(channels[1])
    disputes = disputes_pb2_grpc.DisputesServiceStub(channels[2])
    parts = Parts(
        database=database,
        ledger=LedgerClient(ledger, caller),
        escrow=EscrowClient(escrow, caller),
        disputes=DisputesClient(disputes, caller),
        platform_fee_bps={
            Origin.MARKETPLACE: settings.platform_fee_bps_marketplace,
            Origin.PARTY: settings.platform_fee_bps_party,
        },
        wallet_wait_seconds=settings.wallet_wait_seconds,
    )
    redirects = parts.redirecting(RedirectClient(escrow, caller))
    reconciler = Reconciler(
        database=database,
        store=DifferenceStore(),
        ledger=Balances(ledger, caller),
        escrow=Holders(escrow, caller),
        every_seconds=settings.reconcile_seconds,
    )
    over = partial(CheckingClients.over, ledger=ledger, escrow=escrow, disputes=disputes)
    return _app(settings, database, parts, reconciler, channels, partial(over, caller), redirects)


def _app(
    settings: OrdersSettings,
    database: Database,
    parts: "Parts",
    reconciler: Reconciler,
    channels: Sequence[grpc.aio.Channel],
    checking: Callable[[], CheckingPeers],
    redirects: RedirectService,
) -> App:
    leased = saga, crediting, carrier = parts.saga(), parts.crediting(), parts.carrier()
    registry, service = parts.registry(), parts.service(saga)
    timers = Timers(database=database, orders=parts.orders, service=service, clock=parts.clock)
    offers = parts.offers(saga, hours=settings.offer_hours)
    methods: Callable[..., OrdersServicer] = partial(
        OrdersServicer,
        queries=parts.queries(),
        registry=registry,
        crediting=crediting,
        holds=parts.holds(),
        reconciler=reconciler,
        chosen=parts.chosen(),
        redirects=redirects,
        rehearse=lambda: _rehearsal(methods, parts, checking(), hours=settings.offer_hours),
    )
    withdrawals = parts.withdrawing(carrier)
    servicer = methods(service=service, offers=offers, withdrawals=withdrawals)
    return App(
        name="orders",
        settings=settings,
        binding=_BINDING(servicer=servicer),
        database=database,
        bus=Bus(
            url=settings.nats_url,
            name="orders",
            limits=settings.stream_limits,
            silence_seconds=settings.silence_seconds,
            authority=settings.nats_ca_file,
        ),
        measures=MEASURES,
        background={
            "operations": saga.run,
            "ends": saga.watch,
            "provision": registry.keep_provisioned,
            "purge": lambda: _every(PURGE_SECONDS, lambda: parts.idempotency.purge(database)),
            "credits": crediting.run,
            "credit_ends": crediting.watch,
            "withdrawals": carrier.run,
            "withdrawal_ends": carrier.watch,
            "deadlines": lambda: _every(settings.auto_confirm_poll_seconds, timers.meet_deadlines),
            "lapse": lambda: _every(settings.offer_poll_seconds, offers.lapse_overdue),
            "approvals": lambda: _every(settings.offer_poll_seconds, withdrawals.lapse_unapproved),
            "reconcile": reconciler.run,
            "words": WordIndexer(database=database, bell=parts.new_words).run,
            "totals": lambda: _every(FOLD_SECONDS, timers.fold_totals),
        },
        stop_waiting=[each.stop_waiting for each in leased],
        close=[*(each.close for each in leased), *(partial(one.close, None) for one in channels)],
    )


def _rehearsal(
    methods: Callable[..., OrdersServicer], parts: "Parts", peers: CheckingPeers, *, hours: int
) -> Rehearsal:
    """Make the servicer and the peers of one preview. methods: makes a servicer."""
    rehearsed = parts.rehearsed(peers)
    saga = rehearsed.saga()
    twin = methods(
        service=rehearsed.service(saga),
        offers=rehearsed.offers(saga, hours=hours),
        withdrawals=rehearsed.withdrawing(rehearsed.carrier()),
        crediting=rehearsed.crediting(),
    )
    return Rehearsal(methods=twin, peers=peers)


async def _every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await work()
        await asyncio.sleep(at_most(seconds))


class Parts:
    """The shared parts of the service, and the methods that make the others from them."""

    engine: type[Saga] = Saga
    runner: type[CommandRunner] = CommandRunner
    carrying: type[Carrier] = Carrier
    paying: type[CreditService] = CreditService

    def __init__(
        self,
        *,
        database: Database,
        ledger: LedgerPort,
        escrow: EscrowPort,
        disputes: DisputesPort,
        platform_fee_bps: Mapping[Origin, int],
        wallet_wait_seconds: int,
    ) -> None:
        """Take the parts that differ between the service and its tests: database, peers, rules."""
        self.clock: Clock = SystemClock()
        self.outbox = Outbox()
        # Rung after an order is written.
        self.new_words = Bell()
        self._stores()
        self._database = database
        self._ledger, self._escrow, self._disputes = ledger, escrow, disputes
        self._platform_fee_bps, self._wallet_wait_seconds = platform_fee_bps, wallet_wait_seconds

    def _stores(self) -> None:
        self.operations, self.idempotency = OperationStore(), Idempotency()
        self.orders, self.offer_rows = OrderStore(self.outbox), OfferStore(self.outbox)
        self.withdrawal_rows, self.trail = WithdrawalStore(self.outbox), Trail()

    def service(self, saga: Saga) -> OrderService:
        """Make the use cases of commands."""
        return OrderService(
            database=self._database,
            orders=self.orders,
            commands=self._commands(saga),
            clock=self.clock,
        )

    def _commands(self, saga: Saga) -> CommandRunner:
        return self.runner(
            database=self._database,
            orders=self.orders,
            operations=self.operations,
            idempotency=self.idempotency,
            trail=self.trail,
            saga=saga,
            encode=wire.encode_order,
        )

    def offers(self, saga: Saga, *, hours: int) -> OfferService:
        """Make the use cases of offers."""
        return OfferService(
            database=self._database,
            orders=self.orders,
            store=self.offer_rows,
            commands=self._commands(saga),
            idempotency=self.idempotency,
            trail=self.trail,
            encode=offers_wire.encode_offer,
            hours=hours,
        )

    def saga(self) -> Saga:
        """Make the saga with its steps."""
        steps = Steps(
            ledger=self._ledger, escrow=self._escrow, disputes=self._disputes, clock=self.clock
        )
        milestones = MilestoneSteps(escrow=self._escrow, clock=self.clock)
        return self.engine(
            database=self._database,
            orders=self.orders,
            operations=self.operations,
            idempotency=self.idempotency,
            clock=self.clock,
            encode=wire.encode_order,
            steps={**steps.table(), **milestones.table()},
        )

    def holds(self) -> Holds:
        """Make the use case that gives holds back."""
        return Holds(database=self._database, orders=self.orders, ledger=self._ledger)

    def queries(self) -> OrderQueries:
        """Make the use cases of creation and reading."""
        return OrderQueries(
            database=self._database,
            outbox=self.outbox,
            idempotency=self.idempotency,
            ledger=self._ledger,
            escrow=self._escrow,
            clock=self.clock,
            encode=wire.encode_order,
            platform_fee_bps=self._platform_fee_bps,
            new_words=self.new_words,
        )

    def chosen(self) -> Chosen:
        """Make the use cases of marketplaces' settings and of test clocks."""
        return Chosen(
            database=self._database,
            idempotency=self.idempotency,
            platform_fee_bps=self._platform_fee_bps,
            encode=deadlines_wire.encode,
        )

    def registry(self) -> UserRegistry:
        """Make the use cases of users."""
        return UserRegistry(
            database=self._database,
            outbox=self.outbox,
            idempotency=self.idempotency,
            ledger=self._ledger,
            escrow=self._escrow,
            clock=self.clock,
            encode=wire.encode_user,
            wallet_wait_seconds=self._wallet_wait_seconds,
        )

    def crediting(self) -> CreditService:
        """Make the use case of manual credits."""
        return self.paying(
            database=self._database,
            users=UserStore(self.outbox),
            idempotency=self.idempotency,
            ledger=self._ledger,
            escrow=self._escrow,
            clock=self.clock,
            encode=wire.encode_credit,
        )

    def carrier(self) -> Carrier:
        """Make the carrier, which carries out withdrawals."""
        return self.carrying(
            database=self._database,
            store=self.withdrawal_rows,
            idempotency=self.idempotency,
            ledger=self._ledger,
            escrow=self._escrow,
            clock=self.clock,
            encode=withdrawals_wire.encode,
        )

    def withdrawing(self, carrier: Carrier) -> WithdrawalService:
        """Make the use cases of withdrawals."""
        return WithdrawalService(
            database=self._database,
            store=self.withdrawal_rows,
            users=UserStore(self.outbox),
            idempotency=self.idempotency,
            trail=self.trail,
            escrow=self._escrow,
            carrier=carrier,
            clock=self.clock,
            encode=withdrawals_wire.encode,
        )

    def redirecting(self, escrow: RedirectPort) -> RedirectService:
        """Make the use case of redirections."""
        return RedirectService(
            database=self._database,
            orders=self.orders,
            store=self.withdrawal_rows,
            idempotency=self.idempotency,
            escrow=escrow,
            encode=withdrawals_wire.encode_redirect,
        )

    def rehearsed(self, peers: CheckingPeers) -> "RehearsedParts":
        """Make the parts of one preview."""
        parts = RehearsedParts(
            database=self._database.read_only(),
            ledger=peers.ledger,
            escrow=peers.escrow,
            disputes=peers.disputes,
            platform_fee_bps=self._platform_fee_bps,
            wallet_wait_seconds=0,
        )
        parts.clock = self.clock
        return parts


class RehearsedParts(Parts):
    """The parts of one preview. They read rows and write none."""

    engine = rehearsal.RehearsedSaga
    runner = rehearsal.RehearsedCommands
    carrying = rehearsal.RehearsedCarrier
    paying = RehearsedCredits

    def _stores(self) -> None:
        self.operations, self.idempotency = rehearsal.OperationsRead(), rehearsal.NoKeys()
        self.orders = rehearsal.OrdersRead(self.outbox)
        self.offer_rows = rehearsal.OffersRead(self.outbox)
        self.withdrawal_rows = rehearsal.WithdrawalsRead(self.outbox)
        self.trail = rehearsal.NoTrail()
