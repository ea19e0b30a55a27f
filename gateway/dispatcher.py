"""Chooses the view that answers a request, and refuses what needs no view.

A view is one of the two APIs. The credential chooses the view; without a credential, the path does.
People with a token use the party API, except people of support, who use the marketplace API.
"""

from collections.abc import Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from gateway import asyncapi, call, serving
from gateway.auth import Staff
from gateway.call import Call, Parts, Receive, Scope, Send
from gateway.console.routes import PATH as CONSOLE
from gateway.errors import MethodNotAllowed, Overloaded, Refusal, RouteNotFound
from gateway.keys import PREFIX
from gateway.limits import Places, TooManyRequests
from gateway.marketplace import view as marketplace
from gateway.pages import INDEX
from gateway.party import view as party
from gateway.routing import Operation, Paths
from gateway.serving import Server, View
from kernel.errors import DomainError, Unavailable

API = "/api/v1/"
HEALTH = f"{API}health"
# Readiness, for load balancers. It depends on no other program.
READY = "/ready"
# The documents and pages of each view, for any credential. The guides are below the path of the
# marketplace API's pages.
PARTY = (party.DOCS_PATH, party.REDOC_PATH, party.OPENAPI_PATH)
MARKETPLACE = (
    *(marketplace.DOCS_PATH, marketplace.REDOC_PATH, marketplace.OPENAPI_PATH),
    *(asyncapi.PATH, CONSOLE),
)
METHOD_NOT_ALLOWED = 405
KEY, TOKEN = "key", "token"
KEY_PREFIX = PREFIX.encode()
# The dots of a JSON Web Token: header.claims.signature.
TOKEN_DOTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One view: its paths, the server of its operations, and its pages."""

    view: View
    paths: Paths
    server: Server
    pages: ASGIApp


def open_side(
    view: View,
    *,
    operations: Collection[Operation],
    page_routes: Sequence[BaseRoute],
    parts: Parts,
    wait_seconds: int,
) -> Side:
    """Assemble a view. page_routes: of the view's document, and of the pages that show it."""

    async def refuse(request: Request, error: Exception) -> Response:
        """Refuse an unknown path outside the API, in the shape of the view's refusals."""
        stray: DomainError = RouteNotFound("The path does not exist")
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

    pages = Starlette(routes=page_routes, exception_handlers={HTTPException: refuse})
    pages.router.redirect_slashes = False
    return Side(
        view=view,
        paths=Paths(operations),
        server=Server(view=view, parts=parts, wait_seconds=wait_seconds),
        pages=pages,
    )


def _credential_kind(headers: Iterable[tuple[bytes, bytes]], staff: Staff) -> str | None:
    """Return whether a request has a key or a token; None: neither.

    A token of support counts as a key. Nothing is verified here. The view verifies the credential,
    and refuses what it does not admit.
    """
    found = None
    for name, value in headers:
        if name == b"x-api-key":
            return KEY
        if name == b"authorization":
            credential = value.partition(b" ")[2].strip()
            if credential.startswith(KEY_PREFIX):
                found = KEY
            elif credential.startswith(b"eyJ") or credential.count(b".") == TOKEN_DOTS:
                text = credential.decode("latin-1")
                found = KEY if staff.seems_support(text) else TOKEN
    return found


def _without_body(send: Send) -> Send:
    """Return a `send` that drops the body of an answer, for HEAD."""

    async def send_head(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


class Dispatcher:
    """The ASGI app. It applies limits, removes trailing slashes and chooses the view."""

    def __init__(
        self,
        *,
        marketplace: Side,
        party: Side,
        parts: Parts,
        staff: Staff,
        concurrent_requests_max: int,
    ) -> None:
        self._marketplace = marketplace
        self._party = party
        self._parts = parts
        self._staff = staff
        self._places = Places(concurrent_requests_max)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if scope["path"] == READY:
            await self._tell_whether_ready(send)
            return
        if not scope["path"].startswith(API):
            # Like collections of the API, pages can be requested with or without a final slash.
            scope["path"] = scope["path"].rstrip("/") or INDEX
            await self._serve_stranger(self._side(scope), scope, receive, send)
            return
        side = self._side(scope)
        if scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/")
        if scope["path"].startswith(HEALTH):
            # Health is never refused for load: a monitor would take a busy gateway for a dead one.
            await self._serve(side, scope, receive, send)
            return
        if why := self._trouble():
            await self._refuse(side, scope, send, Unavailable(why))
            return
        try:
            place = scope[serving.PLACE] = self._places.take()
        except Overloaded as error:
            await self._refuse(side, scope, send, error)
            return
        try:
            await self._serve(side, scope, receive, send)
        finally:
            place.free()

    def _trouble(self) -> str:
        """Return why no request can be served; empty: requests can be served."""
        if not self._parts.watch.is_clock_right:
            return "The gateway's clock is wrong"
        if self._parts.schema.is_right is False:
            return "The gateway's database schema is older than its code"
        return ""

    async def _tell_whether_ready(self, send: Send) -> None:
        why = self._trouble()
        if not why and self._parts.schema.is_right is None:
            why = "The gateway has not reached its database yet"
        status = 503 if why else 200
        content = orjson.dumps({"status": "not ready", "why": why} if why else {"status": "ready"})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _serve_stranger(self, side: Side, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve documents and pages, which require no credential."""
        try:
            self._parts.strangers.count(scope)
        except TooManyRequests as error:
            await self._refuse(side, scope, send, error)
            return
        await side.pages(scope, receive, send)

    def refusal(
        self,
        error: DomainError,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        request_id: str,
    ) -> Refusal:
        """Return the refusal of an incomplete request, in the view that its headers choose."""
        path = target.partition(b"?")[0].decode("latin-1")
        side = self._side({"path": path, "headers": headers})
        return side.view.refuse(error, request_id=request_id)

    def stop_waiting(self) -> None:
        """End all event streams and answer all waiting requests, because the process will stop."""
        self._parts.feed.stop()
        self._parts.backends.stop_waiting()

    async def _serve(self, side: Side, scope: Scope, receive: Receive, send: Send) -> None:
        methods, params = side.paths.find(scope["path"])
        operation = methods.get(scope["method"])
        if operation is not None:
            if scope["method"] == "HEAD":
                send = _without_body(send)
            operation = operation.negotiated(scope["headers"])
            await side.server.serve(operation, params, scope, receive, send)
        elif methods:
            error = MethodNotAllowed(
                f"{scope['method']} is not allowed here",
                details={"allow": ", ".join(sorted(methods))},
            )
            await self._refuse(side, scope, send, error)
        else:
            await self._refuse(side, scope, send, RouteNotFound("The path does not exist"))

    def _side(self, scope: Scope) -> Side:
        """Choose the view by the credential; without a credential, by the path.

        Source: reference §1. Without a credential, the view that documents the path answers. If
        both views or none document the path, the marketplace view answers, unless the path ends in
        `/orders/`. `/deliver` exists in both views, but only the party API's document describes it.
        Health needs no credential and exists in one view.
        """
        path: str = scope["path"]
        if path in PARTY:
            return self._party
        if path == INDEX or path.startswith((HEALTH, *MARKETPLACE)):
            return self._marketplace
        kind = _credential_kind(scope["headers"], self._staff)
        if kind is not None:
            return self._party if kind == TOKEN else self._marketplace
        if not path.startswith(API):
            return self._marketplace
        if path.endswith("/orders/") or path.rstrip("/").endswith("/deliver"):
            return self._party
        documented, _ = self._marketplace.paths.find(path.rstrip("/"))
        theirs, _ = self._party.paths.find(path.rstrip("/"))
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
        await serving.send_refusal(send, refusal, one)
