"""Serves one request from start to end: credential, rate, scope, body, handler, answer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from orchestrator.orders.v1 import orders_pb2

from chassis import deadline, metrics, tracing
from chassis.status import Internal
from chassis.telemetry import logger
from gateway import backends, call, models, previews
from gateway.answers import Answer, CsvFile, EventStream
from gateway.auth import Credential, anonymous
from gateway.backends import READ_SECONDS
from gateway.call import SLACK_SECONDS, Call, Parts, Receive, Scope, Send
from gateway.errors import Refusal
from gateway.limits import TooManyRequests
from gateway.previews import Previewed
from gateway.routing import OPEN, Operation
from gateway.stream import end
from kernel.errors import DomainError, Unauthenticated

# The time limit for a stream to end, and for sending its end.
END_SECONDS = 5.0
# The time limit for sending a file.
FILE_SECONDS = 900.0
# The key, in a request's ASGI scope, of the request's place among concurrent requests.
PLACE = "gateway.place"
OK, ACCEPTED, INTERNAL = 200, 202, 500
API = "/api/v1"
NO_HEADERS: Mapping[str, str] = {}
# Source: RFC 7240 §3.
APPLIED = {"preference-applied": previews.PREFERENCE}
log = logger()


class View(Protocol):
    """How one of the two APIs authenticates, parses and refuses."""

    async def admit(self, one: Call, operation: Operation) -> Credential:
        """Authenticate a request. Sets `one.credential` as soon as the credential is known.

        Raises: Unauthenticated; PermissionDenied.
        """
        ...

    def parse(self, raw: bytes) -> Any:
        """Parse a JSON body. Raises: InvalidArgument."""
        ...

    def refuse(self, error: DomainError, *, request_id: str) -> Refusal:
        """Return the view's form of a refusal."""
        ...

    def preview(self, message: orders_pb2.Preview) -> Any:
        """Return the view's form of a preview."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Serves the operations of a view."""

    view: View
    parts: Parts
    wait_seconds: int

    async def serve(
        self,
        operation: Operation,
        params: Mapping[str, str],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Answer one request. An exception of the handler becomes the view's refusal.

        params: the values of the path's placeholders. Each request starts a new trace. Trace
        headers of the client are ignored.
        """
        one = Call(
            method=operation.method,
            path=scope["path"],
            headers={},
            query_string=scope.get("query_string", b""),
            request_id=call.request_id(scope),
            address=call.client_address(scope, proxies=self.parts.strangers.proxies),
            parts=self.parts,
            params=params,
            wait_default=self.wait_seconds,
        )
        if operation.is_long:
            await self._serve(operation, one, scope, receive, send)
            return
        named = f"{operation.method} {operation.path}"
        attributes = {
            "http.request.method": operation.method,
            "http.route": operation.path,
            "orchestrator.request_id": one.request_id,
        }
        with tracing.span(named, kind="server", attributes=attributes) as begun:
            status = await self._serve(operation, one, scope, receive, send)
            if begun is not None:
                begun.set_attribute("http.response.status_code", status)

    async def _serve(
        self, operation: Operation, one: Call, scope: Scope, receive: Receive, send: Send
    ) -> int:
        """Answer one request; returns the status that was sent."""
        started, status = time.monotonic(), INTERNAL
        refusal: Refusal | None = None
        try:
            one.headers = call.read_headers(scope)
            answer = await self._answer(operation, one, receive)
        except DomainError as error:
            refused = error
            if isinstance(error, Unauthenticated):
                # Requests without a valid credential are counted per client address.
                try:
                    self.parts.strangers.count(scope)
                except TooManyRequests as more:
                    one.limit, refused = self.parts.strangers.limiter.limit, more
            refusal = self.view.refuse(refused, request_id=one.request_id)
            status = refusal.status
            await send_refusal(send, refusal, one)
        except Previewed as found:
            status = OK
            await send_json(send, status, self.view.preview(found.preview), one, APPLIED)
        except Exception:
            log.exception("request.failed", path=operation.path, request_id=one.request_id)
            refusal = self.view.refuse(Internal(), request_id=one.request_id)
            await send_refusal(send, refusal, one)
        else:
            if isinstance(answer, Answer):
                status = ACCEPTED if answer.is_accepted else operation.status
                await send_json(send, status, answer.body, one)
            else:
                # A stream can last for days, so it gives its place back. Long answers have their
                # own limit.
                scope[PLACE].free()
                self._log(operation, one, OK, None, seconds=time.monotonic() - started)
                await send_long(receive, send, answer, one)
        finally:
            if one.place is not None:
                one.place.free()
            self._tell(operation, one, status, refusal, seconds=time.monotonic() - started)
        return status

    def _tell(
        self,
        operation: Operation,
        one: Call,
        status: int,
        refusal: Refusal | None,
        *,
        seconds: float,
    ) -> None:
        """Count a finished request in the metrics, and note it in the request log."""
        # The duration of a stream or a file is not a response time.
        if not operation.is_long:
            metrics.http_seconds(operation.method, operation.path, status).observe(seconds)
        if refusal is not None or not operation.is_long:
            self._log(operation, one, status, refusal, seconds=seconds)

    def _log(
        self,
        operation: Operation,
        one: Call,
        status: int,
        refusal: Refusal | None,
        *,
        seconds: float,
    ) -> None:
        """Note the request in its marketplace's log, if the credential is known.

        A stream or a file is noted when it begins.
        """
        if one.credential is None or not operation.is_logged:
            return
        self.parts.requests.note(
            one.credential.identity,
            method=operation.method,
            route=f"{API}{operation.path}",
            path=one.path,
            status=status,
            refusal=None if refusal is None else refusal.body,
            seconds=seconds,
            request_id=one.request_id,
            idempotency_key=one.headers.get("idempotency-key", ""),
        )

    async def _answer(
        self, operation: Operation, one: Call, receive: Receive
    ) -> Answer[Any] | CsvFile | EventStream:
        where = {"request_id": one.request_id, "address": one.address}
        backends.bind(anonymous(), **where)
        if operation.scope != OPEN:
            one.credential = await self.view.admit(one, operation)
            backends.bind(one.credential.identity, **where)
        seconds = one.wait_seconds() + SLACK_SECONDS if operation.changes else READ_SECONDS
        deadline.start(None if operation.is_long else seconds)
        if operation.is_long:
            places = self.parts.exports if operation.is_file else self.parts.streams
            one.place = places.take(one.caller.account)
        if operation.changes:
            one.write_key()  # refuses an invalid key, even if the handler does not use the key
            one.is_preview, one.query_string = previews.wanted(one.headers, one.query_string)
            if one.is_preview and not operation.previews:
                raise previews.not_supported()
        taken = operation.taken
        if taken is None:
            models.validated_query(None, one.query_string)
            return await operation.handler(one)
        if operation.changes:
            one.body = await call.read_body(receive, one.headers)
            is_left_out = not one.body and operation.is_body_optional
            body = models.validated(taken, {} if is_left_out else self.view.parse(one.body))
            models.validated_query(None, one.query_string)
            return await operation.handler(one, body)
        return await operation.handler(one, models.validated_query(taken, one.query_string))


async def send_refusal(send: Send, refusal: Refusal, one: Call) -> None:
    """Send a refusal with its own headers."""
    await send_json(send, refusal.status, refusal.body, one, refusal.headers)


async def send_json(
    send: Send, status: int, body: Any, one: Call, own: Mapping[str, str] = NO_HEADERS
) -> None:
    """Send a JSON document. own: headers in addition to those that every answer has."""
    content = orjson.dumps(body)
    headers = _headers(one)
    headers += [(name.encode(), text.encode("latin-1")) for name, text in own.items()]
    if one.reply.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _headers(one: Call) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-request-id", one.request_id.encode("latin-1"))]
    if one.limit is not None:
        headers.append((b"x-ratelimit-limit", str(one.limit).encode()))
        headers.append((b"x-ratelimit-remaining", str(one.remaining).encode()))
    return headers


async def send_long(receive: Receive, send: Send, answer: CsvFile | EventStream, one: Call) -> None:
    """Send an answer while it is generated."""
    if isinstance(answer, EventStream):
        await send_stream(receive, send, answer, one)
    else:
        await send_file(receive, send, answer, one)


async def send_stream(receive: Receive, send: Send, stream: EventStream, one: Call) -> None:
    """Send events until the stream ends, the credential ends, or the client disconnects."""
    headers = [
        *_headers(one),
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # Turn off buffering in proxies: it would delay events.
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
    # Do not wait long for a client that does not read.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            await send({"type": "http.response.body", "body": b""})


async def send_file(receive: Receive, send: Send, file: CsvFile, one: Call) -> None:
    """Send a file while it is generated.

    If it cannot be completed, the connection is closed before the last chunk. Every HTTP/1.1 client
    notices this.
    """
    headers = [
        *_headers(one),
        (b"content-type", b"text/csv; charset=utf-8; header=present"),
        (b"content-disposition", f'attachment; filename="{file.name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": OK, "headers": headers})
    sending = asyncio.ensure_future(_send_chunks(send, file.chunks))
    tasks = [sending, asyncio.ensure_future(_disconnected(receive))]
    try:
        await asyncio.wait(tasks, timeout=FILE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        error = sending.exception() if sending.done() else TimeoutError()
    finally:
        await end(*tasks, again_seconds=END_SECONDS)
        await file.chunks.aclose()
    if error is None:
        await send({"type": "http.response.body", "body": b""})
        return
    named = error.reason if isinstance(error, DomainError) else type(error).__name__
    log.warning("export.incomplete", file=file.name, request_id=one.request_id, error=named)


async def _send_chunks(send: Send, chunks: AsyncIterator[bytes]) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
