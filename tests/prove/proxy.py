"""TCP proxies between the parts of a stack, in their own process: each can be made faulty.

    python -m tests.prove.proxy '{"orders>ledger": ["127.0.0.1:9001"]}'

prints where each link listens, as JSON, then does what each line of its input says:
`{"link": "orders>ledger", "mode": "delay", "milliseconds": 300}`, and answers each with the
number of the link's open connections. It ends with its input.

A proxy cannot withhold the kernel's acknowledgements. So a dead connection here looks alive to
both kernels, which is the harder case: only who asks the peer itself can notice. What noticed and
closed is told to the other side after a while, as its own kernel would have found out.
"""

import asyncio
import contextlib
import enum
import json
import os
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

HOST = "127.0.0.1"
CHUNK = 65_536
# How long a server's side of a dead connection outlives the client's.
LINGER_SECONDS = 15.0
# How long the answer to a request that was cut may take until the connection is reset.
CUT_SECONDS = 0.3
_RESET = struct.pack("ii", 1, 0)


class Mode(enum.StrEnum):
    """What a link does."""

    PASS = "pass"
    """Everything passes."""
    DELAY = "delay"
    """Every piece of data waits, up to twice as long as said."""
    STALL = "stall"
    """Nothing passes and nothing is accepted until the link is good again; no byte is lost."""
    SILENT = "silent"
    """Data of open and of new connections is dropped, for ever."""
    FORGET = "forget"
    """Open connections die silently, for ever; new ones pass (at once a PASS)."""
    RESET = "reset"
    """Open connections are reset; new ones pass (at once a PASS)."""
    CUT = "cut"
    """The next data of a client arrives; the connection is reset before the answer (once)."""
    REFUSE = "refuse"
    """Open connections are reset, new ones refused."""


@dataclass(eq=False, slots=True)
class Pair:
    """A client's connection and the one to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    is_dead: bool = False

    def reset(self) -> None:
        """End both with RST."""
        for writer in (self.client, self.server):
            reset(writer)


@dataclass(slots=True)
class Link:
    """One way between two parts. targets: `host:port` of each replica of the server."""

    targets: list[str]
    mode: Mode = Mode.PASS
    milliseconds: float = 0.0
    pairs: set[Pair] = field(default_factory=set)
    passing: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self, mode: Mode, milliseconds: float) -> None:
        """Change the link's behaviour from now on."""
        if mode in {Mode.RESET, Mode.REFUSE}:
            for pair in list(self.pairs):
                pair.reset()
        if mode in {Mode.SILENT, Mode.FORGET}:
            for pair in self.pairs:
                pair.is_dead = True
        self.mode = Mode.PASS if mode in {Mode.RESET, Mode.FORGET} else mode
        self.milliseconds = milliseconds
        if self.mode is Mode.STALL:
            self.passing.clear()
        else:
            self.passing.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until it ends."""
        if self.mode is Mode.REFUSE:
            reset(writer)
            return
        await self.passing.wait()
        try:
            server_reader, server = await self._connect()
        except OSError:
            reset(writer)
            return
        pair = Pair(writer, server, is_dead=self.mode is Mode.SILENT)
        self.pairs.add(pair)
        try:
            await asyncio.gather(
                self._pump(pair, reader, server), self._pump(pair, server_reader, writer)
            )
        finally:
            self.pairs.discard(pair)
            for side in (writer, server):
                side.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to a random target, or to another one if it refuses."""
        ordered = random.sample(self.targets, len(self.targets))
        for target in ordered[:-1]:
            with contextlib.suppress(OSError):
                return await connect(target)
        return await connect(ordered[-1])

    async def _pump(
        self, pair: Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._pass(pair, data, writer)
        if not pair.is_dead:
            writer.close()
        elif writer is pair.server:
            await asyncio.sleep(LINGER_SECONDS)
            writer.close()

    async def _pass(self, pair: Pair, data: bytes, writer: asyncio.StreamWriter) -> None:
        await self.passing.wait()
        if self.mode is Mode.DELAY:
            await asyncio.sleep(random.uniform(0.5, 2.0) * self.milliseconds / 1000)
        # One that was reset while this waited takes nothing any more.
        if pair.is_dead or writer.transport.is_closing():
            return
        is_cut = self.mode is Mode.CUT and writer is pair.server
        if is_cut:
            self.mode = Mode.PASS
            # No answer passes any more.
            pair.is_dead = True
        writer.write(data)
        await writer.drain()
        if is_cut:
            await asyncio.sleep(CUT_SECONDS)
            pair.reset()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    opened = writer.get_extra_info("socket")
    # It may be closed already, which uvloop tells by a ValueError.
    with contextlib.suppress(OSError, ValueError):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def connect(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a connection to `host:port`. Raises: OSError."""
    host, _, port = target.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def serve(targets: dict[str, list[str]]) -> None:
    """Serve every link until the input ends."""
    links = {name: Link(found) for name, found in targets.items()}
    addresses = {}
    async with contextlib.AsyncExitStack() as opened:
        for name, link in links.items():
            link.passing.set()
            server = await asyncio.start_server(link.accept, HOST, 0)
            await opened.enter_async_context(server)
            addresses[name] = "{}:{}".format(*server.sockets[0].getsockname())
        tell(addresses)
        async for order in orders():
            links[order["link"]].turn(Mode(order["mode"]), order["milliseconds"])
            tell(len(links[order["link"]].pairs))
    # The kernel closes everything at once, so connections need no orderly end.
    os._exit(0)


def tell(what: object) -> None:
    """Print a line for the process that runs the proxies."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def orders() -> AsyncIterator[dict[str, Any]]:
    """Yield what each line of the input says."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


if __name__ == "__main__":
    uvloop.run(serve(json.loads(sys.argv[1])))
