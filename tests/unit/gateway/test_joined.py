"""The writes of an answer: head and body are joined into one write, and no bytes are lost."""

import asyncio

from gateway.joined import Joined


class Recorded(asyncio.Transport):
    """A transport that records each write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def test_head_and_body_are_sent_in_one_write() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    joined.write(b"body")
    await asyncio.sleep(0)

    assert transport.written == [b"headbody"]


async def test_head_without_body_is_sent_in_the_next_loop_iteration() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    assert transport.written == []
    await asyncio.sleep(0)

    assert transport.written == [b"head"]


async def test_held_bytes_are_sent_before_the_transport_is_closed() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    joined.close()
    await asyncio.sleep(0)

    assert (transport.written, joined.is_closing()) == ([b"head"], True)


async def test_nothing_is_written_to_a_lost_transport() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    transport.close()
    await asyncio.sleep(0)

    assert transport.written == []
