"""A TCP proxy that can go silent, for tests of lost connections.

It stands between two parts of the system and runs in its own thread, so that tests with and
without a loop can use it:

    with silent_proxy(database_port) as proxy:
        database = Database.open(url=proxy.in_url(database_url), …)
        proxy.silence()        # accepts and acknowledges everything, and passes nothing on
        proxy.lose()           # as that for the connections there are; new ones pass
        proxy.drop()           # resets the connections there are; new ones pass
        proxy.refuse()         # resets the connections there are, and every new one
        proxy.restore()        # new connections pass; those that were lost stay lost

A silent connection stays open on the other side although its end here was closed, as it would when
a host has vanished: neither side is told. The proxy's own kernel answers TCP keepalives, so that
only what an application looks at itself can notice.
"""

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

ResultT = TypeVar("ResultT")

CHUNK = 65_536
# Closes with a reset, at once.
_LINGER = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class _Link:
    """One connection through the proxy. is_lost: received bytes are dropped."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    is_lost: bool = False

    def end(self, *, with_reset: bool) -> None:
        for writer in (self.client, self.server):
            if writer is None:
                continue
            if with_reset and (end := writer.get_extra_info("socket")) is not None:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            writer.transport.abort()


class SilentProxy:
    """A proxy on 127.0.0.1 to a port of this machine; see the module."""

    def __init__(self, target: int, *, host: str = "127.0.0.1") -> None:
        self._target = (host, target)
        self._is_silent = False
        self._is_refusing = False
        self._links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: asyncio.Server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    @property
    def address(self) -> str:
        """The proxy's own address, as host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """The number of open connections, including lost connections."""
        return self._run(lambda: len(self._links))

    def in_url(self, url: str) -> str:
        """Return a URL with the proxy's address instead of its target's."""
        return re.sub(rf"(localhost|[\d.]+):{self._target[1]}\b", self.address, url)

    def silence(self) -> None:
        """Drop all bytes on every connection, including new connections."""
        self._run(lambda: self._lose(is_silent=True))

    def lose(self) -> None:
        """Drop all bytes on existing connections; new connections work."""
        self._run(lambda: self._lose(is_silent=False))

    def drop(self) -> None:
        """Reset existing connections; new connections work."""
        self._run(self._drop)

    def refuse(self) -> None:
        """Reset existing connections and every new connection."""

        def refuse() -> None:
            self._is_refusing = True
            self._drop()

        self._run(refuse)

    def restore(self) -> None:
        """Let new connections work; silent connections stay silent."""

        def restore() -> None:
            self._is_silent = self._is_refusing = False

        self._run(restore)

    def close(self) -> None:
        """End every connection and the proxy."""
        self._run(self._server.close)
        self._run(self._drop)
        asyncio.run_coroutine_threadsafe(_end_tasks(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Callable[[], ResultT]) -> ResultT:
        """Run a function in the proxy's thread; returns its result."""

        async def there() -> ResultT:
            return work()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result()

    def _lose(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        for link in self._links:
            link.is_lost = True

    def _drop(self) -> None:
        for link in self._links:
            link.end(with_reset=True)
        self._links.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        if self._is_refusing:
            link.end(with_reset=True)
            return
        self._links.add(link)
        if self._is_silent:
            link.is_lost = True
            await self._pump(link, reader, None)
            return
        try:
            answers, link.server = await asyncio.open_connection(*self._target)
        except OSError:
            self._links.discard(link)
            link.end(with_reset=True)
            return
        await asyncio.gather(
            self._pump(link, reader, link.server), self._pump(link, answers, link.client)
        )
        if not link.is_lost:
            self._links.discard(link)
            link.end(with_reset=False)

    async def _pump(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter | None
    ) -> None:
        """Forward what arrives; once the link is lost, read and drop it."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if link.is_lost or writer is None:
                    continue
                writer.write(chunk)
                await writer.drain()
        if writer is not None and not link.is_lost and writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()


async def _end_tasks() -> None:
    """End every other task of the running loop."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def silent_proxy(target: int) -> Iterator[SilentProxy]:
    """Run a proxy to a local port during the block."""
    proxy = SilentProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
