"""Publishing past the library: bytes for subject and headers that no client of ours would send."""

import asyncio
import contextlib
from urllib.parse import urlsplit

REPLY_SECONDS = 10.0
# Subjects of the family `order` that a server takes, and headers of messages that it keeps.
SUBJECTS = {
    "no UTF-8": b"order.\xff",
    "half a character": b"order.\xe2\x82",
    "a vertical tab": b"order.a\x0bb",
    "a form feed": b"order.a\x0cb",
    "a carriage return": b"order.a\rb",
    "what reads like more fields": b"order.a\x0b1\x0b2",
    "a byte for itself": b"order.\x85",
    "NUL": b"order.\x00",
    "DEL": b"order.a\x7fb",
    "escape": b"order.\x1b[2J",
    "a line separator": "order.\u2028".encode(),
    "another space": "order.a\u00a0b".encode(),
    "another script": "order.заказ".encode(),
    "long": b"order." + b"a" * 3800,
}
HEADERS = {
    "a status": b"NATS/1.0 404 No Messages\r\n\r\n",
    "no responders": b"NATS/1.0 503\r\n\r\n",
    "a status as a header": b"NATS/1.0\r\nStatus: 404\r\nDescription: x\r\n\r\n",
    "a conflict": b"NATS/1.0\r\nStatus: 409\r\n\r\n",
    "a status that is none": b"NATS/1.0 \xff\xff\xff\r\n\r\n",
    "a heartbeat": b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: x\r\n\r\n",
    "flow control": b"NATS/1.0 100 FlowControl Request\r\n\r\n",
    "no end": b"NATS/1.0\r\n",
    "no line": b"NATS/1.0",
    "another protocol": b"garbage",
    "no colon": b"NATS/1.0\r\nabc\r\n\r\n",
    "no name": b"NATS/1.0\r\n: x\r\n\r\n",
    "no UTF-8": b"NATS/1.0\r\n\xff\xfe: \xff\r\nNats-Msg-Id: \xff\r\n\r\n",
    "a folded line": b"NATS/1.0\r\na: b\r\n c\r\n\r\n",
    "many": b"NATS/1.0\r\n" + b"a: b\r\n" * 2000 + b"\r\n",
}


async def publish(url: str, subject: bytes, body: bytes, *, headers: bytes = b"") -> None:
    """Publish one message to a server without users, and wait until the server has read it."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(b'CONNECT {"verbose":false,"headers":true}\r\n')
        if headers:
            sizes = b"%d %d" % (len(headers), len(headers) + len(body))
            writer.write(b"HPUB %b %b\r\n%b%b\r\nPING\r\n" % (subject, sizes, headers, body))
        else:
            writer.write(b"PUB %b %d\r\n%b\r\nPING\r\n" % (subject, len(body), body))
        async with asyncio.timeout(REPLY_SECONDS):
            while await reader.readline() != b"PONG\r\n":
                pass
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
