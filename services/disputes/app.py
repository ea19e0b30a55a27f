"""Disputes, assembled: the only module that builds its objects."""

from functools import partial

from chassis.audit import Trail
from chassis.bus import Bus
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.outbox import Outbox
from chassis.relay import CONNECTIONS as RELAY_CONNECTIONS
from chassis.runner import App
from kernel.clock import SystemClock
from services.disputes import wire
from services.disputes.service import DisputesService
from services.disputes.servicer import binding
from services.disputes.settings import DisputesSettings
from services.disputes.store import DisputeStore
from services.disputes.talk import wire as talk_wire
from services.disputes.talk.service import TalkService
from services.disputes.talk.store import open_messages, open_notes

NAME = "disputes"


async def build(settings: DisputesSettings) -> App:
    """Build the service; it does not connect yet."""
    database = Database.open(
        url=settings.database_url,
        schema=NAME,
        pool_size=settings.database_pool_size,
        beside=RELAY_CONNECTIONS,
        silence_seconds=settings.silence_seconds,
    )
    clock = SystemClock()
    idempotency = Idempotency()
    service = DisputesService(
        database=database,
        disputes=DisputeStore(),
        outbox=Outbox(),
        trail=Trail(),
        idempotency=idempotency,
        clock=clock,
        encode=wire.encode,
    )
    talk = TalkService(
        cases=service,
        messages=open_messages(),
        notes=open_notes(),
        encode_message=talk_wire.encode_message,
        encode_note=talk_wire.encode_note,
    )
    return App(
        name=NAME,
        settings=settings,
        binding=binding(service, talk),
        database=database,
        bus=Bus(
            url=settings.nats_url,
            name=NAME,
            limits=settings.stream_limits,
            silence_seconds=settings.silence_seconds,
            authority=settings.nats_ca_file,
        ),
        background={"purge": partial(idempotency.keep_purged, database)},
    )
