"""The gateway, assembled: two views of one API behind a dispatcher that looks at the credential.

Objects are made here and nowhere else.
"""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from chassis.bus import Bus
from chassis.database import Database
from chassis.migrations.expected import Schema
from chassis.watch import Watch
from gateway import call, routing
from gateway.auth import KeyAuthenticator
from gateway.backends import Backends
from gateway.call import Call, Parts, Receive, Scope, Send, Strangers
from gateway.errors import MethodNotAllowed, Overloaded, Refusal, RouteNotFound
from gateway.events import Feed
from gateway.keys import PREFIX, KeyStore
from gateway.limits import Places, RateLimiter, StreamPlaces, TooManyRequests
from gateway.marketplace import view as marketplace
from gateway.marketplace.view import MarketplaceView
from gateway.pages import INDEX
from gateway.parties import Parties
from gateway.party import view as party
from gateway.party.people import People
from gateway.party.tokens import Tokens
from gateway.party.view import PartyView
from gateway.routing import OPEN, Operation, View
from gateway.settings import GatewaySettings
from kernel.errors import DomainError, Unavailable

API = "/api/v1/"
HEALTH = f"{API}health"
# Whether the gateway can serve, for who sends it requests; it depends on no other program.
READY = "/ready"
# Where each view's document and page are, whatever credential they are asked for with.
PARTY = (party.DOCS_PATH, party.REDOC_PATH, party.OPENAPI_PATH)
MARKETPLACE = (marketplace.DOCS_PATH, marketplace.REDOC_PATH, marketplace.OPENAPI_PATH)
METHOD_NOT_ALLOWED = 405
KEY, TOKEN = "key", "token"
KEY_PREFIX = PREFIX.encode()
# A JSON Web Token: header, claims and signature.
TOKEN_DOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One view: its app, its manners, and the methods of each of its paths."""

    app: ASGIApp
    view: View
    paths: "Paths"


class Paths:
    """Which paths a view documents, and with which methods."""

    def __init__(self, operations: tuple[Operation, ...]) -> None:
        self._methods: dict[tuple[str, ...], set[str]] = {}
        for operation in operations:
            parts = tuple(_segments(operation.path))
            methods = self._methods.setdefault(parts, set())
            methods.add(operation.method)
            # Probes ask with HEAD as well: reads that need no credential answer that too.
            if operation.scope == OPEN and not operation.changes:
                methods.add("HEAD")

    def methods(self, path: str) -> set[str]:
        """Return the methods of a concrete path below /api/v1; empty where there is none."""
        wanted = _segments(path.removeprefix(API))
        found: set[str] = set()
        for parts, methods in self._methods.items():
            if len(parts) == len(wanted) and all(
                part.startswith("{") or part == given
                for part, given in zip(parts, wanted, strict=True)
            ):
                found |= methods
        return found


def _credential_kind(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Tell what a request shows: an API key or a token; None: neither."""
    found = None
    for name, value in headers:
        if name == b"x-api-key":
            return KEY
        if name == b"authorization":
            credential = value.partition(b" ")[2].strip()
            if credential.startswith(KEY_PREFIX):
                found = KEY
            elif credential.startswith(b"eyJ") or credential.count(b".") == TOKEN_DOTS:
                found = TOKEN
    return found


def _without_body(send: Send) -> Send:
    """Send what would be sent, but for the body."""

    async def send_head(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/")


class Dispatcher:
    """The ASGI app: limits, the trailing slash, unknown paths, and which view answers."""

    def __init__(
        self,
        *,
        marketplace: Side,
        party: Side,
        parts: Parts,
        concurrent_requests_max: int,
    ) -> None:
        self._marketplace = marketplace
        self._party = party
        self._parts = parts
        self._places = Places(concurrent_requests_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] != "http":
            return
        if scope["path"] == READY:
            await self._tell_whether_ready(send)
            return
        if not scope["path"].startswith(API):
            # Pages answer with and without a last slash, as collections do.
            scope["path"] = scope["path"].rstrip("/") or INDEX
            await self._serve_stranger(self._side(scope), scope, receive, send)
            return
        side = self._side(scope)
        if scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/")
        if scope["path"].startswith(HEALTH):
            # Refused for load, whoever watches would take a busy gateway for a dead one.
            await self._serve(side, scope, receive, send)
            return
        if why := self._trouble():
            await self._refuse(side, scope, send, Unavailable(why))
            return
        try:
            place = scope[routing.PLACE] = self._places.take()
        except Overloaded as error:
            await self._refuse(side, scope, send, error)
            return
        try:
            await self._serve(side, scope, receive, send)
        finally:
            place.free()

    def _trouble(self) -> str:
        """Say why nothing can be served; empty: it can."""
        if not self._parts.watch.is_clock_right:
            return "The gateway's clock is wrong"
        if self._parts.schema.is_right is False:
            return "The gateway's schema is older than the gateway"
        return ""

    async def _tell_whether_ready(self, send: Send) -> None:
        why = self._trouble()
        if not why and self._parts.schema.is_right is None:
            why = "The gateway has not seen its database yet"
        status = 503 if why else 200
        content = orjson.dumps({"status": "not ready", "why": why} if why else {"status": "ready"})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _serve_stranger(self, side: Side, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what needs no credential: documents and pages."""
        try:
            self._parts.strangers.count(scope)
        except TooManyRequests as error:
            await self._refuse(side, scope, send, error)
            return
        await side.app(scope, receive, send)

    def refusal(
        self,
        error: DomainError,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        request_id: str,
    ) -> Refusal:
        """Print a refusal of a request that came only in part, as far as its view is known."""
        path = target.partition(b"?")[0].decode("latin-1")
        side = self._side({"path": path, "headers": headers})
        return side.view.refuse(error, request_id=request_id)

    def stop_waiting(self) -> None:
        """End every stream of events, and answer whoever waits: the process is about to stop."""
        self._parts.feed.stop()
        self._parts.backends.stop_waiting()

    async def _serve(self, side: Side, scope: Scope, receive: Receive, send: Send) -> None:
        methods = side.paths.methods(scope["path"])
        if scope["method"] in methods:
            if scope["method"] == "HEAD":
                scope, send = {**scope, "method": "GET"}, _without_body(send)
            await side.app(scope, receive, send)
        elif methods:
            error = MethodNotAllowed(
                f"{scope['method']} is not allowed here",
                details={"allow": ", ".join(sorted(methods))},
            )
            await self._refuse(side, scope, send, error)
        else:
            await self._refuse(side, scope, send, RouteNotFound("There is nothing at this path"))

    def _side(self, scope: Scope) -> Side:
        """Choose the view by the credential; without one, by the path.

        Source: reference §1: without a credential the view that documents the path answers; where
        both or neither do, the marketplace's, unless the path ends in `/orders/`. Health needs no
        credential, and has one view.
        """
        path: str = scope["path"]
        if path in PARTY:
            return self._party
        if path == INDEX or path.startswith((HEALTH, *MARKETPLACE)):
            return self._marketplace
        kind = _credential_kind(scope["headers"])
        if kind is not None:
            return self._party if kind == TOKEN else self._marketplace
        return self._documenting(path)

    def _documenting(self, path: str) -> Side:
        if not path.startswith(API):
            return self._marketplace
        if path.endswith("/orders/"):
            return self._party
        documented = self._marketplace.paths.methods(path.rstrip("/"))
        theirs = self._party.paths.methods(path.rstrip("/"))
        return self._party if theirs and not documented else self._marketplace

    async def _refuse(self, side: Side, scope: Scope, send: Send, error: DomainError) -> None:
        headers: Mapping[str, str] = {}
        try:
            headers = call.read_headers(scope)
        except DomainError as worse:
            error = worse
        one = Call(
            method=scope["method"],
            path=scope["path"],
            headers=headers,
            query_string=b"",
            request_id=call.request_id(scope),
            parts=self._parts,
        )
        refusal = side.view.refuse(error, request_id=one.request_id)
        await routing.send_refusal(send, refusal, one)


@asynccontextmanager
async def open_gateway(settings: GatewaySettings) -> AsyncIterator[Dispatcher]:
    """Make every part in the running loop, and close them in the reverse order."""
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
        watch=watch,
        schema=schema,
        parties=Parties(backends),
        strangers=Strangers(
            limiter=RateLimiter(per_minute=settings.stranger_requests_per_minute),
            proxies=settings.trusted_proxies,
        ),
    )
    stopping = asyncio.Event()
    forgetting = asyncio.create_task(store.keep_forgetting(until=stopping))
    watching = asyncio.create_task(watch.keep_looking(_looking_at(schema)))
    try:
        yield _dispatcher(settings, parts)
    finally:
        stopping.set()
        watching.cancel()
        await asyncio.wait({watching})
        await forgetting
        await feed.close()
        await backends.close()
        await database.close()


def _looking_at(schema: Schema) -> Callable[[], Awaitable[None]]:
    async def look() -> None:
        await schema.look()

    return look


def _dispatcher(settings: GatewaySettings, parts: Parts) -> Dispatcher:
    limiter = RateLimiter(per_minute=settings.rate_limit_per_minute)
    return Dispatcher(
        marketplace=_marketplace(settings, parts, limiter),
        party=_party(settings, parts, limiter),
        parts=parts,
        concurrent_requests_max=settings.concurrent_requests_max,
    )


def _refuse_strays(app: FastAPI, view: View) -> None:
    """Let an app refuse what is outside the API, and nowhere, in the view's shape."""

    async def refuse(request: Request, error: Exception) -> Response:
        stray: DomainError = RouteNotFound("There is nothing at this path")
        if isinstance(error, HTTPException) and error.status_code == METHOD_NOT_ALLOWED:
            allowed = (error.headers or {}).get("Allow", "")
            stray = MethodNotAllowed(
                f"{request.method} is not allowed here", details={"allow": allowed}
            )
        request_id = call.request_id(request.scope)
        refusal = view.refuse(stray, request_id=request_id)
        return Response(
            orjson.dumps(refusal.body),
            status_code=refusal.status,
            headers={**refusal.headers, "x-request-id": request_id},
            media_type="application/json",
        )

    app.add_exception_handler(HTTPException, refuse)


def _marketplace(settings: GatewaySettings, parts: Parts, limiter: RateLimiter) -> Side:
    view = MarketplaceView(keys=parts.keys, limiter=limiter)
    app = marketplace.build(view=view, parts=parts, wait_seconds=settings.wait_seconds)
    _refuse_strays(app, view)
    return Side(app=app, view=view, paths=Paths(marketplace.OPERATIONS))


def _party(settings: GatewaySettings, parts: Parts, limiter: RateLimiter) -> Side:
    view = PartyView(
        tokens=Tokens(settings.jwt_issuers),
        people=People(parts.backends, parts.keys.store),
        limiter=limiter,
    )
    app = party.build(view=view, parts=parts, wait_seconds=settings.wait_seconds)
    _refuse_strays(app, view)
    return Side(app=app, view=view, paths=Paths(party.OPERATIONS))
