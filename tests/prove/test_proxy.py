"""The proxy has the effect of each mode; otherwise a run would test less than its report says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from deploy.local.ports import HOST
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests.prove.proxy import Mode

SOON, NEVER = 20.0, 0.3


@dataclass(slots=True)
class Line:
    """A connection through the proxy to a server that echoes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, word: bytes) -> None:
        self.writer.write(word)
        await self.writer.drain()

    async def hears(self, count: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(count), SOON)

    async def is_silent(self) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), NEVER)
        except TimeoutError:
            return True
        return False


@dataclass(slots=True)
class Proxied:
    """An echoing server behind a proxy. heard: what the server has received."""

    heard: bytearray
    port: int
    process: asyncio.subprocess.Process
    lines: list[Line] = field(default_factory=list)

    async def close(self) -> None:
        for line in self.lines:
            line.writer.close()
            with contextlib.suppress(ConnectionResetError):
                await line.writer.wait_closed()
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert await self.process.wait() == 0

    async def turn(self, mode: Mode) -> int:
        """Turn, and return how many connections are open."""
        assert self.process.stdin is not None
        order = {"link": "a>b", "mode": mode, "milliseconds": 1}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        assert self.process.stdout is not None
        return int(await asyncio.wait_for(self.process.stdout.readline(), SOON))

    async def line(self) -> Line:
        line = Line(*await asyncio.open_connection(HOST, self.port))
        self.lines.append(line)
        return line

    async def echoing(self) -> Line:
        line = await self.line()
        await line.say(b"one")
        assert await line.hears(3) == b"one"
        return line


@pytest.fixture
async def proxied() -> AsyncIterator[Proxied]:
    heard = bytearray()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionResetError):
            while data := await reader.read(100):
                heard.extend(data)
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    target = "{}:{}".format(*server.sockets[0].getsockname())
    process = await asyncio.create_subprocess_exec(
        *python_module("tests.prove.proxy", json.dumps({"a>b": [target]})),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=child_environment(),
    )
    assert process.stdout is not None
    addresses = json.loads(await asyncio.wait_for(process.stdout.readline(), SOON))
    proxied = Proxied(heard, int(addresses["a>b"].rpartition(":")[2]), process)
    yield proxied
    await proxied.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("mode", [Mode.PASS, Mode.DELAY])
async def test_pass_and_delay_forward_all_bytes(proxied: Proxied, mode: Mode) -> None:
    await proxied.turn(mode)

    await proxied.echoing()


@pytest.mark.parametrize("mode", [Mode.RESET, Mode.REFUSE])
async def test_reset_and_refuse_reset_open_connections(proxied: Proxied, mode: Mode) -> None:
    line = await proxied.echoing()

    await proxied.turn(mode)

    with pytest.raises(ConnectionResetError):
        await line.hears(1)


async def test_new_connections_work_after_a_reset(proxied: Proxied) -> None:
    await proxied.turn(Mode.RESET)

    await proxied.echoing()


async def test_refuse_resets_new_connections_until_pass(proxied: Proxied) -> None:
    await proxied.turn(Mode.REFUSE)
    # By the time it is refused, it may have been seen as open, or not.
    with pytest.raises(ConnectionResetError):
        await (await proxied.line()).hears(1)

    await proxied.turn(Mode.PASS)

    await proxied.echoing()


async def test_stalled_connection_continues_without_loss(proxied: Proxied) -> None:
    line = await proxied.echoing()
    await proxied.turn(Mode.STALL)
    await line.say(b"two")
    assert await line.is_silent()

    await proxied.turn(Mode.PASS)

    assert await line.hears(3) == b"two"


async def test_silent_link_accepts_data_and_never_delivers_it(proxied: Proxied) -> None:
    old = await proxied.echoing()
    await proxied.turn(Mode.SILENT)
    new = await proxied.line()
    for line in (old, new):
        await line.say(b"lost")
    while await proxied.turn(Mode.SILENT) < 2:
        pass

    await proxied.turn(Mode.PASS)
    await proxied.echoing()

    for line in (old, new):
        await line.say(b"lost")
        assert await line.is_silent()
    assert proxied.heard == b"oneone"


async def test_forget_loses_open_connections_and_accepts_new_ones(proxied: Proxied) -> None:
    old = await proxied.echoing()

    await proxied.turn(Mode.FORGET)

    await old.say(b"lost")
    await proxied.echoing()
    assert await old.is_silent()
    assert proxied.heard == b"oneone"


async def test_cut_delivers_one_request_and_resets_before_the_answer(proxied: Proxied) -> None:
    line = await proxied.echoing()
    await proxied.turn(Mode.CUT)

    await line.say(b"request")

    with pytest.raises(ConnectionResetError):
        await line.hears(1)
    assert proxied.heard == b"onerequest"
    await proxied.echoing()
