"""The protocol lines that the NATS library parses are valid, whatever a publisher wrote."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.js.client import JetStreamContext

from chassis.nats_client import Client, readable_headers, readable_line

ACK = b"$JS.ACK.ORCHESTRATOR.x.1.7.3.1700000000000000000.0"
# The bytes that a server accepts in a subject: any but blanks and line ends.
SUBJECTS = st.binary(min_size=1, max_size=40).map(
    lambda raw: bytes(byte for byte in raw if byte not in b" \t\r\n") or b"x"
)


@pytest.mark.parametrize(
    ("line", "readable"),
    [
        (b"MSG order.note 1 5\r\n", b"MSG order.note 1 5\r\n"),
        (b"PING\r\n", b"PING\r\n"),
        (b"MSG order.\xff 1 5\r\n", "MSG order.\ufffd 1 5\r\n".encode()),
        (b"MSG order.a\x0b1 1 5\r\n", "MSG order.a\ufffd1 1 5\r\n".encode()),
        (b"MSG order.a\rb 1 " + ACK + b" 5\r\n", b"MSG order.a\xef\xbf\xbdb 1 " + ACK + b" 5\r\n"),
        (
            b"HMSG order.\x0c 1 " + ACK + b" 12 5\r\n",
            b"HMSG order.\xef\xbf\xbd 1 %b 12 5\r\n" % ACK,
        ),
        ("MSG order.заказ 1 5\r\n".encode(), "MSG order.заказ 1 5\r\n".encode()),
    ],
)
def test_subject_with_blanks_or_invalid_utf8_is_parsed_as_one_token(
    line: bytes, readable: bytes
) -> None:
    assert readable_line(line) == readable


@pytest.mark.parametrize(
    ("headers", "readable"),
    [
        (b"NATS/1.0\r\na: b\r\n\r\n", b"NATS/1.0\r\na: b\r\n\r\n"),
        (b"NATS/1.0 404 No Messages\r\n\r\n", b""),
        (b"NATS/1.0 404\r\na: b\r\n\r\n", b"NATS/1.0\r\na: b\r\n\r\n"),
        (b"NATS/1.0\r\nSTATUS : 404\r\na: b\r\n\r\n", b"NATS/1.0\r\na: b\r\n\r\n"),
        (b"NATS/1.0", b""),
        (b"", b""),
        (b"garbage: x\r\n\r\n", b""),
        (b"NATS/1.0\r\na: \xff\r\n\r\n", b"NATS/1.0\r\na: \xef\xbf\xbd\r\n\r\n"),
    ],
)
def test_a_publisher_cannot_forge_the_servers_headers(headers: bytes, readable: bytes) -> None:
    assert readable_headers(headers) == readable


class Heard(Client):
    """Collects the parsed messages."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, bytes, str | None]] = []

    def _build_message(self, *arguments: Any) -> None:
        message = super()._build_message(*arguments)
        status = JetStreamContext.is_status_msg(message)
        self.heard.append((message.subject, message.data, status))


@given(subject=SUBJECTS, headers=st.binary(max_size=40), body=st.binary(max_size=40), at=st.data())
async def test_malformed_message_does_not_block_the_next(
    subject: bytes, headers: bytes, body: bytes, at: st.DataObject
) -> None:
    client = Heard()
    client._subs[1] = type("Listener", (), {"_received": 0, "_max_msgs": 0})()
    whole = b"MSG %b 1 %b %d\r\n%b\r\n" % (subject, ACK, len(body), body)
    if headers:
        sizes = b"%d %d" % (len(headers), len(headers) + len(body))
        whole = b"HMSG %b 1 %b %b\r\n%b%b\r\n" % (subject, ACK, sizes, headers, body)
    whole += b"MSG order.created 1 %b 4\r\nnext\r\n" % ACK
    cut = at.draw(st.integers(0, len(whole)))

    await client._ps.parse(whole[:cut])
    await client._ps.parse(whole[cut:])

    assert client.heard[0][1:] == (body, None)
    assert client.heard[1:] == [("order.created", b"next", None)]
