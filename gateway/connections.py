"""Connections: HTTP/1.1 over a socket, with limits on what one client may use.

Uvicorn's parser, with the limits that it does not have: on a request's head (bytes, headers,
seconds), on the framing of a body, on idle connections, on answers that are not read, on the number
of connections. One request of a connection is parsed at a time, so requests do not queue here.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

import httptools
import orjson
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from gateway.connection_limits import ConnectionLimits
from gateway.errors import (
    HeadersTooLarge,
    MalformedRequest,
    Overloaded,
    Refusal,
    RequestTimeout,
)
from gateway.joined import Joined
from kernel.errors import DomainError
from kernel.ids import new_id

# Request line and headers together, and the number of headers.
HEAD_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
# From the first byte of a head to its last.
HEAD_SECONDS = 10.0
# How long a connection may be idle: before its first request, and after each answer.
IDLE_SECONDS = 25.0
# How long an idle connection stays open when the process stops: a request that is on its way is
# still answered, with `Connection: close`.
LAST_SECONDS = 1.0
# How long an answer may wait for a client that does not read it.
STALLED_SECONDS = 30.0
# After a refusal, so much of the rest of the request is read and discarded, so that the refusal
# arrives.
LINGER_SECONDS, LINGER_BYTES_MAX = 2.0, 256 * 1024
# The most that chunks may add to their body: sizes, extensions, trailers.
FRAMING_BYTES_MAX, FRAMING_PER_BYTE = 16 * 1024, 8
# How much is parsed before limits are checked.
PIECE_BYTES = 4096
# Its clients do not understand chunks or interim answers. Source: RFC 9112 §6.1, RFC 9110 §15.2.
OLD_VERSION = "1.0"
_HEAD_END = b"\r\n\r\n"
_HOST = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
_NO_PATH = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*://[^/?#]+)(\?.*)?")
_BLANK = b"\r\n"
Refuse = Callable[[DomainError, bytes, Sequence[tuple[bytes, bytes]], str], Refusal]


class Connection(HttpToolsProtocol):
    """One client's connection. refuse: prints a refusal, from what is known of the request."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        refuse: Refuse,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = IDLE_SECONDS  # type: ignore[assignment] # seconds, or a part of one
        self.address = ""
        self.url = b""
        self.headers = []
        self._limits = limits
        self._refusal = refuse
        # Received bytes, and how many of them have been parsed.
        self._unread, self._at = b"", 0
        self._head_bytes = 0
        self._is_in_body = self._is_chunked = self._has_ended = False
        self._body_left = self._body_bytes = self._framing_bytes = 0
        self._wrong: DomainError | None = None
        self._is_lingering, self._lingered = False, 0
        self._is_last = False
        self._stalled: asyncio.TimerHandle | None = None
        self._joined: Joined

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin, if the limit on connections allows it."""
        super().connection_made(transport)
        self._joined = Joined(transport, self.loop)
        self.address = self.client[0] if self.client else ""
        if self._limits.enter(self):
            self._limits.wait(self)
            self._arm(IDLE_SECONDS, self.timeout_keep_alive_handler)
        else:
            transport.write(self._printed(Overloaded("Too many connections are open")))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._limits.leave(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._unread = b""
        if self._stalled is not None:
            self._stalled.cancel()

    def data_received(self, data: bytes) -> None:
        """Take received bytes; they are parsed when the request before has been answered."""
        if self._is_lingering:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES_MAX:
                self.transport.abort()
            return
        left = self._unread[self._at :]
        self._unread, self._at = left + data if left else data, 0
        self._feed()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn ends the connection
        """Answer a complete request whose client sends no more; end its stream, if it is one."""
        self._has_ended = True
        return self._is_answering() and not self.cycle.response_started

    def pause_writing(self) -> None:
        """Wait for the client to read, for a limited time."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def shutdown(self) -> None:
        """End after the next answer, or soon if there is no request."""
        self._is_last = True
        if self._is_answering() or self._is_in_body:
            self.cycle.keep_alive = False
        elif not self._head_bytes and not self.transport.is_closing():
            self._arm(LAST_SECONDS, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that is idle, or whose client does not read or does not end a body."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request, or parse it if it has been received already."""
        # The answer to HEAD has no body that its head could leave with.
        self._joined.flush()
        super().on_response_complete()
        if self.transport.is_closing():
            # It closes when the client has read everything.
            self._arm(STALLED_SECONDS, self.transport.abort)
            return
        self._limits.wait(self)
        self._feed()
        if self._has_ended and not self._is_answering():
            self.transport.close()

    def _feed(self) -> None:
        """Parse up to the end of one request."""
        while self._at < len(self._unread):
            if self._is_answering() or self._is_lingering or self.transport.is_closing():
                self.flow.pause_reading()
                return
            piece = self._piece()
            if not self._is_in_body:
                # Blank lines before a request are ignored. Source: RFC 9112 §2.2.
                piece = piece if self._head_bytes else piece.lstrip(_BLANK)
                if piece and not self._head_bytes:
                    self._arm(HEAD_SECONDS, self._head_is_late)
                self._head_bytes += len(piece)
                if self._head_bytes > HEAD_BYTES_MAX:
                    self._say_no(HeadersTooLarge(_too_large("are larger than 16 KiB")))
                else:
                    self._parse(piece)
            else:
                self._parse(piece)
                self._framing_bytes += len(piece)
                most = FRAMING_BYTES_MAX + (1 + FRAMING_PER_BYTE) * self._body_bytes
                if self._is_in_body and self._framing_bytes > most:
                    text = "The chunks are larger than the body that they carry"
                    self._say_no(MalformedRequest(text))
        self._unread, self._at = b"", 0

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not self._is_in_body and not cycle.response_complete

    def _piece(self) -> bytes:
        """Return the bytes to parse next; they never go beyond the end of a request."""
        begin, end = self._at, self._at + PIECE_BYTES
        if self._is_in_body and not self._is_chunked:
            end = begin + min(PIECE_BYTES, self._body_left)
            self._body_left -= min(end, len(self._unread)) - begin
        elif (found := self._unread.find(_HEAD_END, begin, end)) >= 0:
            end = found + len(_HEAD_END)
        self._at = min(end, len(self._unread))
        return self._unread[begin : self._at]

    def _parse(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # No upgrade is supported; what the client sends next may be in the other protocol.
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._say_no(self._wrong or MalformedRequest(f"The request is not HTTP/1.1: {error}"))

    # The parser's callbacks.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers, which follow a body, are ignored."""
        if self._is_in_body:
            return
        if len(self.headers) >= HEADERS_MAX:
            self._fail(HeadersTooLarge(_too_large(f"are more than {HEADERS_MAX}")))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Check the framing of the request before it is served."""
        length = self._framing()
        self.url = _with_path(self.url)
        if not _path(self.url):
            self._fail(MalformedRequest("The request's target is not valid"))
        self._unset_keepalive_if_required()
        self._limits.work(self)
        self._head_bytes = self._body_bytes = self._framing_bytes = 0
        self._is_in_body, self._body_left = True, length
        super().on_headers_complete()
        self.cycle.transport = self._joined  # type: ignore[assignment] # what a cycle uses of one
        if self._is_last:
            self.cycle.keep_alive = False
        if self.parser.get_http_version() == OLD_VERSION:
            _answer_as_of_old(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take the end of a request."""
        self._is_in_body = False
        super().on_message_complete()

    def _framing(self) -> int:
        """Return the body's length; 0: none, or in chunks. Source: RFC 9112 §3.2, §6.1."""
        version, hosts, codings, length = self.parser.get_http_version(), [], [], 0
        for name, value in self.headers:
            if name == b"host":
                hosts.append(value)
            elif name == b"transfer-encoding":
                codings.append(value.strip().lower())
            elif name == b"content-length":
                length = int(value)
        if version not in {OLD_VERSION, "1.1"}:
            self._fail(MalformedRequest(f"HTTP/{version} is not supported"))
        is_named = len(hosts) == 1 or (version == OLD_VERSION and not hosts)
        if not is_named or not all(map(_HOST.fullmatch, hosts)):
            self._fail(MalformedRequest("A request must have one valid Host header"))
        if codings and (codings != [b"chunked"] or version == OLD_VERSION):
            self._fail(MalformedRequest("The only supported transfer coding is chunked"))
        self._is_chunked = bool(codings)
        return length

    # Endings.

    def _fail(self, error: DomainError) -> None:
        self._wrong = error
        raise error

    def _head_is_late(self) -> None:
        text = "did not arrive in time"
        self._say_no(RequestTimeout(f"The headers {text}", fields=[("headers", text)]))

    def _say_no(self, error: DomainError) -> None:
        """Refuse a request before it is served, and end the connection."""
        if self._is_lingering or self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.abort()
                return
            # Tell the handler that the rest of the request will not come.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(self._printed(error))
        self._is_lingering = True
        self._unread, self._at = b"", 0
        self.flow.resume_reading()
        self.transport.write_eof()
        self._arm(LINGER_SECONDS, self.transport.abort)

    def _printed(self, error: DomainError) -> bytes:
        request_id = str(new_id())
        refusal = self._refusal(error, self.url, self.headers or (), request_id)
        content = orjson.dumps(refusal.body)
        headers: dict[bytes, bytes] = {
            **dict(self.server_state.default_headers),
            b"x-request-id": request_id.encode(),
            b"content-type": b"application/json",
            b"content-length": str(len(content)).encode(),
            **{name.encode(): text.encode("latin-1") for name, text in refusal.headers.items()},
            b"connection": b"close",
        }
        lines = b"".join(b"%b: %b\r\n" % item for item in headers.items())
        return b"%b%b\r\n%b" % (STATUS_LINE[refusal.status], lines, content)

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, then)


def _with_path(target: bytes) -> bytes:
    """Return an absolute target with the path `/` where it has none. Source: RFC 9110 §4.2.3."""
    match = _NO_PATH.fullmatch(target)
    return target if match is None else b"%b/%b" % (match[1], match[2] or b"")


def _path(target: bytes) -> bytes | None:
    try:
        path: bytes | None = httptools.parse_url(target).path
    except httptools.HttpParserInvalidURLError:
        return None
    return path


def _answer_as_of_old(cycle: RequestResponseCycle) -> None:
    """Send an answer without a length unchunked, up to the end of the connection."""
    send = cycle.send
    cycle.waiting_for_100_continue = False

    async def send_plain(message: Any) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message["headers"]}
            if b"content-length" not in names:
                cycle.chunked_encoding = False
        elif cycle.chunked_encoding is False and not cycle.expected_content_length:
            if cycle.flow.write_paused and not cycle.disconnected:
                await cycle.flow.drain()
            if not cycle.disconnected and cycle.scope["method"] != "HEAD":
                cycle.transport.write(message.get("body", b""))
            message = {**message, "body": b""}
        await send(message)

    cycle.send = send_plain  # type: ignore[method-assign] # of this one answer


def _too_large(text: str) -> str:
    return f"The request's line and headers {text}"
