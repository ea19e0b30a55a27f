"""A NATS client that survives every message: subjects and headers may contain any bytes.

The server only requires that a subject has no blank, and accepts any headers. The library splits at
more kinds of blanks than the server, assumes UTF-8, and mistakes a publisher's `Status` header for
the server's. One such message in a stream would end every reader's connection again and again.
"""

import logging
import re
from typing import Any

from nats.aio.client import Client as LibraryClient
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

_CRLF = b"\r\n"
_MESSAGE = re.compile(rb"(H?MSG) (.*) (\d+ (?:\$JS\.ACK\.\S+ )?\d+(?: \d+)?\r\n)", re.DOTALL)
_PLAIN = re.compile(rb"[!-~ ]*\r\n")
_BLANK = re.compile(r"[\t\r\v\f]")
_REPLACEMENT = "\ufffd"
# A message that a stream delivers has a reply subject with this prefix.
_KEPT = b"$JS.ACK."
_VERSION = b"NATS/1.0"
_OF_THE_SERVER = frozenset({b"status", b"description"})


def _is_news(record: logging.LogRecord) -> bool:
    """Return False for asyncio's warning about the end of each TLS connection."""
    return "eof_received() has no effect" not in record.getMessage()


logging.getLogger("asyncio").addFilter(_is_news)


class Client(LibraryClient):
    """The library's client, but tolerant of any bytes in subjects and headers."""

    def __init__(self) -> None:
        super().__init__()
        self._ps = _Parser(self)

    async def connect(self, *servers: Any, **options: Any) -> None:
        """Connect. If the caller gives up before the server has answered, close the connection."""
        try:
            await super().connect(*servers, **options)
        except BaseException:
            # The library leaves the transport open when the caller is cancelled.
            if self._transport is not None:
                self._transport.close()  # type: ignore[no-untyped-call]
            raise

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        if headers and reply.startswith(_KEPT):
            headers = readable_headers(headers)
        await super()._process_msg(sid, subject, reply, data, headers)


class _Parser(Parser):
    """The library's parser, which is given one line or one payload at a time."""

    def reset(self) -> None:
        """Clear the buffers, for a new connection."""
        super().reset()
        self._unread = bytearray()

    async def parse(self, data: bytes = b"") -> None:
        """Parse bytes that the connection received."""
        self._unread += data
        while self._unread:
            if self.state == AWAITING_CONTROL_LINE:
                end = self._unread.find(_CRLF)
                if end < 0:
                    return
                piece = bytes(self._unread[: end + len(_CRLF)])
                del self._unread[: len(piece)]
                await super().parse(readable_line(piece))
            else:
                piece = bytes(self._unread[: self.needed + len(_CRLF) - len(self.buf)])
                del self._unread[: len(piece)]
                await super().parse(piece)


def readable_line(line: bytes) -> bytes:
    """Return a line of the server, its subject changed so that the library can read it.

    Invalid UTF-8, and blanks that only the library splits at, become U+FFFD.
    """
    match = None if _PLAIN.fullmatch(line) else _MESSAGE.fullmatch(line)
    if match is None:
        return line
    subject = _BLANK.sub(_REPLACEMENT, match[2].decode(errors="replace"))
    return b"%b %b %b" % (match[1], subject.encode(), match[3])


def readable_headers(headers: bytes) -> bytes:
    """Return a stored message's headers, without the server's own and without malformed ones."""
    lines = headers.split(_CRLF)
    kept = [
        line.decode(errors="replace").encode()
        for line in lines[1:]
        if line.partition(b":")[0].strip().lower() not in _OF_THE_SERVER and b":" in line
    ]
    return _CRLF.join([_VERSION, *kept, b"", b""]) if headers.startswith(_VERSION) and kept else b""
