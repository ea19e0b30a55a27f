"""The writes of an answer: what belongs together leaves together, and nothing is left behind."""

import asyncio

from gateway.joined import Joined


class Recorded(asyncio.Transport):
    """A transport that keeps each write, as a socket would get it."""

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


async def test_head_and_body_leave_in_one_write() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    joined.write(b"body")
    await asyncio.sleep(0)

    assert transport.written == [b"headbody"]


async def test_a_head_alone_leaves_when_the_loop_turns() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    assert transport.written == []
    await asyncio.sleep(0)

    assert transport.written == [b"head"]


async def test_what_is_held_leaves_before_the_transport_is_closed() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    joined.close()
    await asyncio.sleep(0)

    assert (transport.written, joined.is_closing()) == ([b"head"], True)


async def test_nothing_is_written_to_a_transport_that_was_lost() -> None:
    transport = Recorded()
    joined = Joined(transport, asyncio.get_running_loop())

    joined.write(b"head")
    transport.close()
    await asyncio.sleep(0)

    assert transport.written == []
