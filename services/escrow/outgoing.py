"""HTTP to other systems: every request has a deadline, and a silent pool is not used again.

A pool keeps connections for later requests. When one request gets no answer in time, the pool's
other connections may be dead too. New requests then use a new pool, so a silence costs one request
instead of one for each connection.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

CONNECTIONS_MAX = 32
CONNECT_SECONDS = 5


class Outgoing:
    """Lends a session. It connects at the first request."""

    def __init__(self, *, timeout_seconds: float, headers: Mapping[str, str] | None = None) -> None:
        """timeout_seconds: limit of a whole request.

        Connecting and each read have at most as long.
        """
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_seconds,
            sock_connect=min(CONNECT_SECONDS, timeout_seconds),
            sock_read=timeout_seconds,
        )
        self._headers = dict(headers or {})
        self._current: aiohttp.ClientSession | None = None
        self._requests: dict[aiohttp.ClientSession, int] = {}
        self._is_closed = False

    @asynccontextmanager
    async def request(
        self, method: str, url: str, **parts: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request; yield the response, whose body has not been read yet.

        Raises: aiohttp.ClientError, also after `close`; TimeoutError: the outcome is unknown.
        """
        session = self._open()
        self._requests[session] += 1
        try:
            async with session.request(method, url, **parts) as answer:
                yield answer
        except (TimeoutError, aiohttp.ClientConnectionError):
            if session is self._current:
                self._current = None
            raise
        finally:
            self._requests[session] -= 1
            if session is not self._current and self._requests[session] == 0:
                del self._requests[session]
                await session.close()

    async def close(self) -> None:
        """Close the connections. Later requests are refused."""
        self._is_closed, self._current = True, None
        for session in list(self._requests):
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            # A task that outlives the service would open a session that nobody closes.
            raise aiohttp.ClientConnectionError("closed")
        if self._current is None:
            self._current = aiohttp.ClientSession(
                headers=self._headers,
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
                timeout=self._timeout,
                json_serialize=lambda document: orjson.dumps(document).decode(),
            )
            self._requests[self._current] = 0
        return self._current
