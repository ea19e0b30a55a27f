"""Assembles the gateway. Its objects are created only here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.bus import Bus
from chassis.database import Database
from chassis.migrations.expected import Schema
from chassis.watch import Watch
from gateway import pages
from gateway.audit import Lines
from gateway.auth import KeyAuthenticator
from gateway.backends import Backends
from gateway.call import Parts, Strangers
from gateway.cleaning import keep_forgetting
from gateway.console import routes as console
from gateway.dispatcher import Dispatcher, open_side
from gateway.events import Feed
from gateway.guides import routes as guides
from gateway.keys import KeyStore
from gateway.limits import RateLimiter, StreamPlaces
from gateway.marketplace import view as marketplace
from gateway.marketplace.view import MarketplaceView
from gateway.parties import Parties
from gateway.party import view as party
from gateway.party.people import People
from gateway.party.staff import SupportStaff
from gateway.party.tokens import Tokens
from gateway.party.view import PartyView
from gateway.request_log import RequestLog
from gateway.request_store import RequestStore
from gateway.settings import GatewaySettings

# The limits of files that are generated at the same time: per credential, and in this process.
EXPORTS_PER_ACCOUNT_MAX, EXPORTS_MAX = 2, 8


@asynccontextmanager
async def open_gateway(settings: GatewaySettings) -> AsyncIterator[Dispatcher]:
    """Create every part in the running loop; close the parts in reverse order at the end."""
    database = Database.open(
        url=settings.database_url,
        schema="gateway",
        pool_size=settings.database_pool_size,
        silence_seconds=settings.silence_seconds,
    )
    pepper, also = settings.peppers()
    store = KeyStore(database, pepper=pepper, also=also)
    keys = KeyAuthenticator(store)
    backends = Backends(settings)
    bus = Bus(
        url=settings.nats_url,
        name="gateway",
        limits=None,
        silence_seconds=settings.silence_seconds,
        authority=settings.nats_ca_file,
    )
    feed = Feed(bus, ping_seconds=settings.ping_seconds)
    watch, schema = Watch(database), Schema(database, "gateway")
    streams = StreamPlaces(
        per_account=settings.event_streams_per_account_max, in_all=settings.event_streams_max
    )
    parts = Parts(
        backends=backends,
        keys=keys,
        feed=feed,
        streams=streams,
        exports=StreamPlaces(
            per_account=EXPORTS_PER_ACCOUNT_MAX, in_all=EXPORTS_MAX, what="exports are running"
        ),
        watch=watch,
        schema=schema,
        parties=Parties(backends),
        lines=Lines(backends=backends, database=database),
        requests=_request_log(settings, database),
        strangers=_strangers(settings),
    )
    stopping = asyncio.Event()
    forgetting = asyncio.create_task(
        keep_forgetting(store.forget, parts.requests.forget, until=stopping)
    )

    async def look() -> None:
        await schema.look()

    watching = asyncio.create_task(watch.keep_looking(look))
    try:
        async with parts.requests.written():
            yield _dispatcher(settings, parts)
    finally:
        stopping.set()
        watching.cancel()
        await asyncio.wait({watching})
        await forgetting
        await feed.close()
        await backends.close()
        await database.close()


def _request_log(settings: GatewaySettings, database: Database) -> RequestLog:
    store = RequestStore(database)
    return RequestLog(store, days=settings.request_log_days, most=settings.request_log_max)


def _strangers(settings: GatewaySettings) -> Strangers:
    limiter = RateLimiter(per_minute=settings.stranger_requests_per_minute)
    return Strangers(limiter=limiter, proxies=settings.trusted_proxies)


def _dispatcher(settings: GatewaySettings, parts: Parts) -> Dispatcher:
    limiter = RateLimiter(per_minute=settings.rate_limit_per_minute)
    people = People(parts.backends, parts.keys.store)
    tokens = Tokens(settings.jwt_issuers)
    staff = SupportStaff(tokens=tokens, people=people)
    return Dispatcher(
        marketplace=open_side(
            MarketplaceView(keys=parts.keys, staff=staff, limiter=limiter),
            operations=marketplace.OPERATIONS,
            page_routes=[
                *marketplace.page_routes(),
                *pages.index(),
                *console.routes(explorer_url=settings.explorer_url),
                *guides.routes(),
            ],
            parts=parts,
            wait_seconds=settings.wait_seconds,
        ),
        party=open_side(
            PartyView(tokens=tokens, people=people, limiter=limiter),
            operations=party.OPERATIONS,
            page_routes=party.page_routes(),
            parts=parts,
            wait_seconds=settings.wait_seconds,
        ),
        parts=parts,
        staff=staff,
        concurrent_requests_max=settings.concurrent_requests_max,
    )
