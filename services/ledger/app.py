"""Composition root of the ledger: the only module that builds its objects."""

from functools import partial

from chassis.bus import Bus
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.outbox import Outbox
from chassis.relay import CONNECTIONS as RELAY_CONNECTIONS
from chassis.runner import App
from chassis.signature import EventVerifier
from kernel.clock import SystemClock
from services.ledger import wire
from services.ledger.batch import Batcher
from services.ledger.books.service import Books
from services.ledger.books.store import BooksStore
from services.ledger.corrections import wire as corrections_wire
from services.ledger.corrections.service import Corrections
from services.ledger.corrections.store import CorrectionStore
from services.ledger.deposits import consumer
from services.ledger.deposits.service import Deposits
from services.ledger.deposits.store import DepositStore
from services.ledger.measures import MEASURES
from services.ledger.queries import LedgerQueries
from services.ledger.service import LedgerService
from services.ledger.servicer import binding
from services.ledger.settings import LedgerSettings
from services.ledger.store import LedgerStore

NAME = "ledger"


async def build(settings: LedgerSettings) -> App:
    """Assemble the service without opening a connection."""
    database = Database.open(
        url=settings.database_url,
        schema=NAME,
        pool_size=settings.database_pool_size,
        beside=RELAY_CONNECTIONS,
        silence_seconds=settings.silence_seconds,
        is_planned_once=True,
    )
    bus = Bus(
        url=settings.nats_url,
        name=NAME,
        limits=settings.stream_limits,
        silence_seconds=settings.silence_seconds,
        authority=settings.nats_ca_file,
    )
    escrow = EventVerifier(settings.escrow_event_keys)
    clock = SystemClock()
    idempotency = Idempotency()
    batcher = Batcher(
        database=database,
        store=LedgerStore(outbox=Outbox()),
        clock=clock,
        lanes=settings.batch_lanes,
        transfers_max=settings.batch_transfers_max,
        waiting_max=settings.batch_waiting_max,
        linger_seconds=settings.batch_linger_milliseconds / 1000,
    )
    service = LedgerService(
        database=database,
        batcher=batcher,
        queries=LedgerQueries(),
        idempotency=idempotency,
        clock=clock,
        encode=wire.account_bytes,
    )
    corrections = Corrections(
        database=database,
        batcher=batcher,
        store=CorrectionStore(),
        idempotency=idempotency,
        encode=corrections_wire.correction_bytes,
    )
    deposits = Deposits(database=database, batcher=batcher, store=DepositStore())
    books = Books(database=database, store=BooksStore())
    return App(
        name=NAME,
        settings=settings,
        binding=binding(service, corrections, deposits, books),
        database=database,
        bus=bus,
        measures=MEASURES,
        background={
            "deposits": partial(consumer.run, bus=bus, deposits=deposits, escrow=escrow),
            "purge": partial(idempotency.keep_purged, database),
        },
        close=(batcher.close, books.close),
    )
