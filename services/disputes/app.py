"""Composition root of disputes: the only module that builds its objects."""

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
from services.disputes.measures import MEASURES
from services.disputes.overdue import Overdue
from services.disputes.service import DisputesService
from services.disputes.servicer import binding
from services.disputes.settings import DisputesSettings
from services.disputes.store import DisputeStore
from services.disputes.talk import wire as talk_wire
from services.disputes.talk.service import TalkService
from services.disputes.talk.store import MESSAGES, NOTES
from services.disputes.waits_store import WaitStore

NAME = "disputes"


async def build(settings: DisputesSettings) -> App:
    """Assemble the service without opening a connection."""
    database = Database.open(
        url=settings.database_url,
        schema=NAME,
        pool_size=settings.database_pool_size,
        beside=RELAY_CONNECTIONS,
        silence_seconds=settings.silence_seconds,
    )
    clock = SystemClock()
    idempotency = Idempotency()
    waits = WaitStore()
    service = DisputesService(
        database=database,
        disputes=DisputeStore(),
        waits=waits,
        outbox=Outbox(),
        trail=Trail(),
        idempotency=idempotency,
        clock=clock,
        encode=wire.encode,
    )
    talk = TalkService(
        cases=service,
        messages=MESSAGES,
        notes=NOTES,
        encode_message=talk_wire.encode_message,
        encode_note=talk_wire.encode_note,
    )
    overdue = Overdue(cases=service, waits=waits)
    return App(
        name=NAME,
        settings=settings,
        binding=binding(service, talk, ring=overdue.bell.ring),
        database=database,
        bus=Bus(
            url=settings.nats_url,
            name=NAME,
            limits=settings.stream_limits,
            silence_seconds=settings.silence_seconds,
            authority=settings.nats_ca_file,
        ),
        measures=MEASURES,
        background={
            "purge": partial(idempotency.keep_purged, database),
            "overdue": overdue.run,
        },
    )
