"""Composition root of webhooks: the only module that builds its objects."""

from functools import partial
from typing import Any

from chassis.audit import Trail
from chassis.bus import Bus
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.outbox import Outbox
from chassis.relay import CONNECTIONS as RELAY_CONNECTIONS
from chassis.runner import App
from chassis.waiting import Bell
from kernel.clock import SystemClock
from services.webhooks import reading, wire
from services.webhooks.addresses import Rules
from services.webhooks.dispatch import Dispatch
from services.webhooks.event_store import EventStore
from services.webhooks.intake import Intake, delivery_id
from services.webhooks.measures import MEASURES
from services.webhooks.outgoing import Outgoing
from services.webhooks.recording import Recording
from services.webhooks.service import WebhooksService
from services.webhooks.servicer import binding
from services.webhooks.settings import WebhooksSettings
from services.webhooks.signing import Secrets
from services.webhooks.store import DeliveryStore
from services.webhooks.webhook_store import WebhookStore

NAME = "webhooks"


async def build(settings: WebhooksSettings, *, outgoing: Outgoing | None = None) -> App:
    """Assemble the service without opening a connection. outgoing: replaces the sender."""
    database = Database.open(
        url=settings.database_url,
        schema=NAME,
        pool_size=settings.database_pool_size,
        beside=RELAY_CONNECTIONS + reading.CONNECTIONS,
        silence_seconds=settings.silence_seconds,
    )
    bus = Bus(
        url=settings.nats_url,
        name=NAME,
        limits=settings.stream_limits,
        silence_seconds=settings.silence_seconds,
        authority=settings.nats_ca_file,
    )
    rules = Rules(allows_loopback=settings.env == "dev", closed=settings.closed_networks())
    clock, bell, idempotency = SystemClock(), Bell(), Idempotency()
    webhooks, deliveries, events = WebhookStore(), DeliveryStore(), EventStore()
    secrets = Secrets(settings.webhook_key.get_secret_value())
    sending = outgoing or Outgoing(rules)
    service = WebhooksService(
        database=database,
        webhooks=webhooks,
        deliveries=deliveries,
        events=events,
        idempotency=idempotency,
        trail=Trail(),
        clock=clock,
        rules=rules,
        bell=bell,
        encode=wire.encode,
        encode_delivery=wire.encode_delivery,
        encode_count=wire.encode_count,
        delivery_id=delivery_id,
    )
    stores: Any = {"database": database, "webhooks": webhooks, "deliveries": deliveries}
    taking = Intake(**stores, clock=clock, bell=bell)
    recording = Recording(database=database, events=events, clock=clock)
    dispatch = Dispatch(
        **stores, outbox=Outbox(), secrets=secrets, outgoing=sending, clock=clock, bell=bell
    )
    return App(
        name=NAME,
        settings=settings,
        binding=binding(service, secrets),
        database=database,
        bus=bus,
        measures=MEASURES,
        background={
            "reading": partial(reading.keep_reading, database, bus, taking, recording),
            "dispatch": dispatch.run,
            "purge": partial(idempotency.keep_purged, database),
            "purge-old": service.keep_purged,
        },
        close=(sending.close,),
    )
