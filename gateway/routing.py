"""Routes: what a handler needs said once, for the request's way in and for the OpenAPI document.

Each route is a FastAPI route. FastAPI documents it from a signature made of its models; the
request itself is served here, in one pass: credential, rate, scope, body, handler, answer.
"""

import asyncio
import contextlib
import inspect
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import orjson
import pydantic
from fastapi import Body, Header, Path, Query
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel
from starlette.routing import compile_path

from chassis import deadline, metrics, tracing
from chassis.status import Internal
from chassis.telemetry import logger
from gateway import backends, call, events, models
from gateway.auth import Credential, anonymous
from gateway.backends import READ_SECONDS
from gateway.call import Answer, Call, EventStream, Parts, Receive, Scope, Send
from gateway.errors import Refusal
from gateway.limits import TooManyRequests
from gateway.stream import end
from kernel.errors import DomainError, Unauthenticated

Handler = Callable[..., Awaitable[Answer | EventStream]]
# What an answer needs after the operation's wait is over.
SLACK_SECONDS = 5.0
# How long a stream may take to end, and its end to be sent.
END_SECONDS = 5.0
# Where a request's own place among those served at once is kept, in its scope.
PLACE = "gateway.place"
INTERNAL = 500
# The scope of a route that any credential may call, and of one that needs none.
ANY, OPEN = "", "open"
log = logger()


class View(Protocol):
    """How one of the two APIs admits, reads and refuses."""

    async def admit(self, one: Call, scope: str) -> Credential:
        """Return the credential of a request. Raises: Unauthenticated; PermissionDenied."""
        ...

    def parse(self, raw: bytes) -> Any:
        """Read a JSON body. Raises: InvalidArgument."""
        ...

    def refuse(self, error: DomainError, *, request_id: str) -> Refusal:
        """Print a refusal."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    path: below /api/v1, placeholders in braces. body: model of the body; optional_body: it may be
    left out. answers: status → model. refusals: reasons, for the document. waits: honours Prefer.
    name: in the document; its handler's where it has none. examples: bodies that succeed, by name.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    scope: str
    answers: Mapping[int, Any]
    refusals: tuple[str, ...] = ()
    body: type[pydantic.BaseModel] | None = None
    optional_body: bool = False
    query: type[pydantic.BaseModel] | None = None
    waits: bool = False
    streams: bool = False
    name: str = ""
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The operation's name in the document, which clients are generated from."""
        return to_camel(self.name or self.handler.__name__)

    @property
    def changes(self) -> bool:
        """Whether the route changes something, and so honours Idempotency-Key."""
        return self.method not in {"GET", "HEAD"}


@dataclass(slots=True)
class Routes:
    """The routes of one resource; each file of a view has one."""

    tag: str
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for GET."""
        return self._add("GET", path, rest)

    def post(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for POST; see Operation for what can be said."""
        return self._add("POST", path, rest)

    def delete(self, path: str, **rest: Any) -> Callable[[Handler], Handler]:
        """Register a handler for DELETE."""
        return self._add("DELETE", path, rest)

    def _add(self, method: str, path: str, rest: Any) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            operation = Operation(method=method, path=path, handler=handler, tag=self.tag, **rest)
            self.operations.append(operation)
            return handler

        return register


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Serves the operations of a view."""

    view: View
    parts: Parts
    wait_seconds: int

    async def serve(self, operation: Operation, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. What a handler raises leaves as the view's refusal.

        It begins a trace of its own: what a client says of one decides nothing here.
        """
        one = _call(self, operation, scope)
        if operation.streams:
            await self._serve(operation, one, scope, receive, send)
            return
        named = f"{operation.method} {operation.path}"
        with tracing.span(named, kind="server", attributes=_attributes(operation, one)) as begun:
            status = await self._serve(operation, one, scope, receive, send)
            if begun is not None:
                begun.set_attribute("http.response.status_code", status)

    async def _serve(
        self, operation: Operation, one: Call, scope: Scope, receive: Receive, send: Send
    ) -> int:
        """Answer one request; returns the status that was sent."""
        started, status = time.monotonic(), INTERNAL
        try:
            one.headers = call.read_headers(scope)
            answer = await self._answer(operation, one, receive)
        except DomainError as error:
            refusal = self.view.refuse(self._counted(error, scope, one), request_id=one.request_id)
            status = refusal.status
            await send_refusal(send, refusal, one)
        except Exception:
            log.exception("request.failed", path=operation.path, request_id=one.request_id)
            hidden = self.view.refuse(Internal(), request_id=one.request_id)
            await send_refusal(send, hidden, one)
        else:
            if isinstance(answer, EventStream):
                # It may last for days, and is counted among the streams instead.
                scope[PLACE].free()
                await send_stream(receive, send, answer, one)
            else:
                status = answer.status
                await send_answer(send, answer, one)
        finally:
            if one.place is not None:
                one.place.free()
            # A stream lasts as long as its client likes: that is no time to answer.
            if not operation.streams:
                labels = operation.method, operation.path, status
                metrics.HTTP_SECONDS.labels(*labels).observe(time.monotonic() - started)
        return status

    def _counted(self, error: DomainError, scope: Scope, one: Call) -> DomainError:
        """Count a request without a valid credential; beyond the limit it is told to wait."""
        if not isinstance(error, Unauthenticated):
            return error
        try:
            self.parts.strangers.count(scope)
        except TooManyRequests as more:
            one.limit = self.parts.strangers.limiter.limit
            return more
        return error

    async def _answer(
        self, operation: Operation, one: Call, receive: Receive
    ) -> Answer | EventStream:
        backends.bind(anonymous(), request_id=one.request_id)
        if operation.scope != OPEN:
            one.credential = await self.view.admit(one, operation.scope)
            backends.bind(one.credential.identity, request_id=one.request_id)
        seconds = one.wait_seconds() + SLACK_SECONDS if operation.changes else READ_SECONDS
        deadline.start(None if operation.streams else seconds)
        if operation.streams:
            one.place = self.parts.streams.take(one.caller.account)
        if operation.changes:
            one.write_key()  # refuses a key that is none, whether or not the handler needs it
        if operation.body is not None:
            given: Any = await self._body(operation, one, receive)
            models.validated_query(None, one.query_string)
        else:
            given = models.validated_query(operation.query, one.query_string)
        if operation.body is None and operation.query is None:
            return await operation.handler(one)
        return await operation.handler(one, given)

    async def _body(self, operation: Operation, one: Call, receive: Receive) -> Any:
        one.body = await call.read_body(receive, one.headers)
        value = {} if not one.body and operation.optional_body else self.view.parse(one.body)
        assert operation.body is not None  # noqa: S101 - the caller has looked
        return models.validated(operation.body, value)


def _attributes(operation: Operation, one: Call) -> Mapping[str, str]:
    """Return what a trace says of a request, by OpenTelemetry's names and one of ours."""
    return {
        "http.request.method": operation.method,
        "http.route": operation.path,
        "orchestrator.request_id": one.request_id,
    }


def _call(server: Server, operation: Operation, scope: Scope) -> Call:
    return Call(
        method=operation.method,
        path=scope["path"],
        headers={},
        query_string=scope.get("query_string", b""),
        request_id=call.request_id(scope),
        parts=server.parts,
        params=scope.get("path_params", {}),
        wait_default=server.wait_seconds,
    )


async def send_answer(send: Send, answer: Answer, one: Call) -> None:
    """Send an answer, with what its request earned in headers."""
    headers = _headers(one)
    if one.reply.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    await _send(send, answer.status, headers, orjson.dumps(answer.body))


async def send_refusal(send: Send, refusal: Refusal, one: Call) -> None:
    """Send a refusal."""
    headers = _headers(one)
    headers += [(name.encode(), text.encode("latin-1")) for name, text in refusal.headers.items()]
    if one.reply.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    await _send(send, refusal.status, headers, orjson.dumps(refusal.body))


def _headers(one: Call) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", one.request_id.encode("latin-1"))]
    if one.limit is not None:
        headers.append((b"x-ratelimit-limit", str(one.limit).encode()))
        headers.append((b"x-ratelimit-remaining", str(one.remaining).encode()))
    return headers


async def _send(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], content: bytes
) -> None:
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def send_stream(receive: Receive, send: Send, stream: EventStream, one: Call) -> None:
    """Send events until there are no more, the caller may hear no more, or the client has gone."""
    headers = [
        *_headers(one),
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # Proxies that buffer would hold events back.
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    ends = [_send_chunks(send, stream.chunks), _disconnected(receive)]
    if stream.until is not None:
        ends.append(stream.until())
    tasks = [asyncio.ensure_future(one) for one in ends]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks, again_seconds=END_SECONDS)
        await stream.chunks.aclose()
    # A client that does not read what was sent before is not waited for.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await send({"type": "http.response.body", "body": b""})


async def _send_chunks(send: Send, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class OperationRoute(APIRoute):
    """A FastAPI route that is documented by FastAPI and served by `Server`.

    It is documented as the contract prints it, and served without a slash at its end.
    """

    def __init__(self, operation: Operation, *, server: Server, **rest: Any) -> None:
        super().__init__(
            f"/api/v1{operation.path}",
            _documented(operation),
            methods=[operation.method],
            name=operation.handler.__name__,
            operation_id=operation.id,
            tags=[operation.tag],
            description=inspect.getdoc(operation.handler),
            status_code=min(operation.answers, default=200),
            **rest,
        )

        self.path_regex, _, _ = compile_path(self.path.rstrip("/"))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await server.serve(operation, scope, receive, send)

        self.app = app


def _documented(operation: Operation) -> Callable[..., Any]:
    """Make a function whose signature tells FastAPI what the route takes; it is never called."""

    async def endpoint() -> None:
        """Stand for the handler in the document."""

    kinds = inspect.Parameter
    parameters = [
        kinds(name, kinds.KEYWORD_ONLY, annotation=Annotated[str, Path()])
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    for name, annotation, default in _inputs(operation):
        default = kinds.empty if default is ... else default  # noqa: PLW2901 - `...`: required
        parameters.append(kinds(name, kinds.KEYWORD_ONLY, annotation=annotation, default=default))
    endpoint.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    endpoint.__name__ = operation.handler.__name__
    return endpoint


def _inputs(operation: Operation) -> Iterable[tuple[str, Any, Any]]:
    if operation.query is not None:
        yield "query", Annotated[operation.query, Query()], ...
    if operation.body is not None:
        shown = {name: {"value": value} for name, value in operation.examples.items()}
        body = Body(openapi_examples=shown)  # type: ignore[arg-type] # its TypedDict of JSON
        yield "body", Annotated[operation.body, body], None if operation.optional_body else ...
    if operation.changes:
        # Printable ASCII, and not only spaces, which HTTP takes off.
        key = Header(
            alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[ -~]*[!-~][ -~]*$"
        )
        yield "idempotency_key", Annotated[str | None, key], None
    if operation.streams:
        known = Header(
            alias="Last-Event-ID",
            pattern=f"^({events.CURSOR})?$",
            description="The `id` of the last event that was heard: everything after it is told",
        )
        yield "last_event_id", Annotated[str | None, known], None
    if operation.waits:
        prefer = Header(alias="Prefer", description="`wait=N` (seconds, at most 60)")
        yield "prefer", Annotated[str | None, prefer], None
