"""Connections: HTTP/1.1 over a socket, with limits on what one client may use.

This is Uvicorn's protocol class with limits that Uvicorn lacks: on the request head (bytes,
headers, seconds), the framing of a body, idle connections, answers that the client does not read,
and the number of connections. Only one request per connection is parsed at a time, so no requests
queue here.
"""

import asyncio
import functools
import re
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
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

# The limit of request line and headers together, and the limit of the number of headers.
HEAD_BYTES_MAX = 16 * 1024
HEADERS_MAX = 100
# The time limit from the first byte of a request head to its last.
HEAD_SECONDS = 10.0
# The time limit of an idle connection: before its first request, and after each answer.
IDLE_SECONDS = 25.0
# When the process stops, idle connections stay open for this time: a request that is already on its
# way is still answered, with `Connection: close`.
LAST_SECONDS = 1.0
# The time limit of an answer whose client does not read.
STALLED_SECONDS = 30.0
# After a refusal, the rest of the request is read and discarded within these limits. Otherwise the
# connection would be reset before the client has read the refusal.
LINGER_SECONDS, LINGER_BYTES_MAX = 2.0, 256 * 1024
# The limit of what chunks may add to a body: sizes, extensions, trailers.
FRAMING_BYTES_MAX, FRAMING_PER_BYTE = 16 * 1024, 8
# The number of bytes that are parsed before the limits are checked again.
PIECE_BYTES = 4096
# HTTP/1.0 clients do not understand chunks or interim answers. Source: RFC 9112 §6.1, RFC 9110
# §15.2.
OLD_VERSION = "1.0"
_HEAD_END = b"\r\n\r\n"
_HOST = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
_NO_PATH = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*://[^/?#]+)(\?.*)?")
_BLANK = b"\r\n"
Refuse = Callable[[DomainError, bytes, Sequence[tuple[bytes, bytes]], str], Refusal]


class Connection(HttpToolsProtocol):
    """The connection of one client.

    refuse: prints a refusal, from the part of the request that is known.
    """

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
        # Received bytes, and the number of bytes that have been parsed.
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
        """Start, unless the limit of connections is reached."""
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
        """Clean up."""
        self._limits.leave(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._unread = b""
        if self._stalled is not None:
            self._stalled.cancel()

    def data_received(self, data: bytes) -> None:
        """Store received bytes. They are parsed after the previous request has been answered."""
        if self._is_lingering:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES_MAX:
                self.transport.abort()
            return
        left = self._unread[self._at :]
        self._unread, self._at = left + data if left else data, 0
        self._feed()

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn ends the connection
        """Still answer a complete request when the client sends no more; but end a stream."""
        self._has_ended = True
        return self._is_answering() and not self.cycle.response_started

    def pause_writing(self) -> None:
        """Abort the connection if the client does not read within STALLED_SECONDS."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer: the client reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def shutdown(self) -> None:
        """Close after the next answer, or soon if there is no request."""
        self._is_last = True
        if self._is_answering() or self._is_in_body:
            self.cycle.keep_alive = False
        elif not self._head_bytes and not self.transport.is_closing():
            self._arm(LAST_SECONDS, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; abort one whose client does not read."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request. If it has been received already, parse it."""
        # The answer to HEAD has no body, so the held head is sent now.
        self._joined.flush()
        super().on_response_complete()
        if self.transport.is_closing():
            # The connection closes when the client has read everything.
            self._arm(STALLED_SECONDS, self.transport.abort)
            return
        self._limits.wait(self)
        self._feed()
        if self._has_ended and not self._is_answering():
            self.transport.close()

    def _feed(self) -> None:
        """Parse the received bytes up to the end of one request."""
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
        """Return the next bytes to parse. They never extend beyond the end of a request."""
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
            # Upgrades are not supported. What the client sends next may be another protocol.
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._say_no(self._wrong or MalformedRequest(f"The request is not HTTP/1.1: {error}"))

    # Callbacks of the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header. Trailers, which follow a body, are ignored."""
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
        self.cycle.default_headers = _dated(int(time.time()))
        self.cycle.transport = self._joined  # type: ignore[assignment] # what a cycle uses of one
        if self._is_last:
            self.cycle.keep_alive = False
        if self.parser.get_http_version() == OLD_VERSION:
            _answer_as_of_old(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Store a part of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Handle the end of a request."""
        self._is_in_body = False
        super().on_message_complete()

    def _framing(self) -> int:
        """Return the body's length; 0: no body, or chunks. Source: RFC 9112 §3.2, §6.1."""
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

    # The end of a connection.

    def _fail(self, error: DomainError) -> None:
        self._wrong = error
        raise error

    def _head_is_late(self) -> None:
        text = "did not arrive in time"
        self._say_no(RequestTimeout(f"The headers {text}", fields=[("headers", text)]))

    def _say_no(self, error: DomainError) -> None:
        """Refuse a request before it is served, and close the connection."""
        if self._is_lingering or self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self.transport.abort()
                return
            # Tell the handler that the rest of the request will not arrive.
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
            **dict(_dated(int(time.time()))),
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


@functools.lru_cache(maxsize=1)
def _dated(second: int) -> list[tuple[bytes, bytes]]:
    """Return the header with the date, which answers of the same second share."""
    return [(b"date", formatdate(second, usegmt=True).encode())]


def _with_path(target: bytes) -> bytes:
    """Add the path `/` to an absolute target without a path. Source: RFC 9110 §4.2.3."""
    match = _NO_PATH.fullmatch(target)
    return target if match is None else b"%b/%b" % (match[1], match[2] or b"")


def _path(target: bytes) -> bytes | None:
    try:
        path: bytes | None = httptools.parse_url(target).path
    except httptools.HttpParserInvalidURLError:
        return None
    return path


def _answer_as_of_old(cycle: RequestResponseCycle) -> None:
    """Send an answer without a length unchunked: it ends with the connection."""
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
