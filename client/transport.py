"""Sending, over httpx: one class that blocks and one for asyncio, with the same behaviour."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from typing import Any, Generic, Self, TypeVar

import httpx

from . import exchange
from .errors import ConnectionFailed
from .events import Event, Place, aread, lost, options, read
from .exchange import Answer, Request

T = TypeVar("T")
PREFIX = "/api/v1"
# Longer than the server waits for the chain by default.
TIMEOUT_SECONDS = 75.0


class Client:
    """A connection to one gateway, with one credential. Use it as a context, or close it."""

    def __init__(
        self,
        credential: str,
        *,
        base_url: str,
        retries: int = exchange.RETRIES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the address of the gateway and the API key or access token."""
        self._http = httpx.Client(**_options(credential, base_url, timeout_seconds))
        self._retries = retries
        self._sleep = sleep

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def events(
        self,
        *,
        types: str | None = None,
        resource_types: str | None = None,
        after: str | None = None,
        opened: Callable[[], None] | None = None,
    ) -> Iterator[Event]:
        """Yield events as they happen, without end. After a lost connection the stream continues.

        types: `order.created,balance.*`. resource_types: `Order,Balance`. after: the id of the last
        event that the caller has; None: only new events. opened: called whenever a connection is
        open; events from then on will come. Raises: APIError; ConnectionFailed.
        """
        place, request = Place(after, opened), options(types, resource_types)
        while True:
            outcome: Answer | ConnectionFailed = lost(None)
            try:
                for found in read(self._http, place, request):
                    if isinstance(found, Event):
                        yield found
                    else:
                        outcome = found
            except httpx.TransportError as error:
                outcome = lost(error)
            self._sleep(place.failed(outcome, retries=self._retries))

    def _download(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield a file as it arrives. It is not requested again once a part of it has arrived.

        Raises: APIError; ConnectionFailed: also if the file breaks off.
        """
        request = exchange.reading(path, query)
        with downloading(request), self._http.stream(**asked(request)) as response:
            if not response.is_success:
                response.read()
                exchange.result(_answer(response))
            yield from response.iter_bytes()

    def _call(self, request: Request) -> Any:
        """Return the object in the answer. Raises: APIError; ConnectionFailed."""
        return exchange.data(self._send(request))

    def _send(self, request: Request) -> Any:
        """Send a request, again if that can help. Raises: APIError; ConnectionFailed."""
        for attempt in count(1):
            outcome = self._once(request)
            pause = exchange.pause_before_next(outcome, attempt=attempt, retries=self._retries)
            if pause is None:
                return exchange.result(outcome)
            self._sleep(pause)
        raise AssertionError

    def _once(self, request: Request) -> Answer | ConnectionFailed:
        try:
            return _answer(self._http.send(_built(self._http, request)))
        except httpx.TransportError as error:
            return _failure(request, error)

    def _list(self, path: str, query: Mapping[str, Any]) -> "Pages[Any]":
        return Pages(self, path, query)


class Pages(Generic[T]):
    """A list of the API. Iterating reads one page after another, as needed."""

    def __init__(self, client: Client, path: str, query: Mapping[str, Any]) -> None:
        """Take the client, the path and the query."""
        self._client, self._path, self._query = client, path, query

    def __iter__(self) -> Iterator[T]:
        """Yield every object. Raises: APIError; ConnectionFailed."""
        query: Mapping[str, Any] | None = self._query
        while query is not None:
            answer = self._client._send(exchange.reading(self._path, query))  # noqa: SLF001
            yield from exchange.items(answer)
            query = exchange.next_query(query, answer)


class AsyncClient:
    """A connection to one gateway, with one credential. Use it as a context, or close it."""

    def __init__(
        self,
        credential: str,
        *,
        base_url: str,
        retries: int = exchange.RETRIES,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Take the address of the gateway and the API key or access token."""
        self._http = httpx.AsyncClient(**_options(credential, base_url, timeout_seconds))
        self._retries = retries

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def events(
        self,
        *,
        types: str | None = None,
        resource_types: str | None = None,
        after: str | None = None,
        opened: Callable[[], None] | None = None,
    ) -> AsyncIterator[Event]:
        """Yield events as they happen, without end. After a lost connection the stream continues.

        types: `order.created,balance.*`. resource_types: `Order,Balance`. after: the id of the last
        event that the caller has; None: only new events. opened: called whenever a connection is
        open; events from then on will come. Raises: APIError; ConnectionFailed.
        """
        place, request = Place(after, opened), options(types, resource_types)
        while True:
            outcome: Answer | ConnectionFailed = lost(None)
            try:
                async for found in aread(self._http, place, request):
                    if isinstance(found, Event):
                        yield found
                    else:
                        outcome = found
            except httpx.TransportError as error:
                outcome = lost(error)
            await asyncio.sleep(place.failed(outcome, retries=self._retries))

    async def _download(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Yield a file as it arrives. It is not requested again once a part of it has arrived.

        Raises: APIError; ConnectionFailed: also if the file breaks off.
        """
        request = exchange.reading(path, query)
        with downloading(request):
            async with self._http.stream(**asked(request)) as response:
                if not response.is_success:
                    await response.aread()
                    exchange.result(_answer(response))
                async for part in response.aiter_bytes():
                    yield part

    async def _call(self, request: Request) -> Any:
        """Return the object in the answer. Raises: APIError; ConnectionFailed."""
        return exchange.data(await self._send(request))

    async def _send(self, request: Request) -> Any:
        """Send a request, again if that can help. Raises: APIError; ConnectionFailed."""
        for attempt in count(1):
            outcome = await self._once(request)
            pause = exchange.pause_before_next(outcome, attempt=attempt, retries=self._retries)
            if pause is None:
                return exchange.result(outcome)
            await asyncio.sleep(pause)
        raise AssertionError

    async def _once(self, request: Request) -> Answer | ConnectionFailed:
        try:
            return _answer(await self._http.send(_built(self._http, request)))
        except httpx.TransportError as error:
            return _failure(request, error)

    def _list(self, path: str, query: Mapping[str, Any]) -> "AsyncPages[Any]":
        return AsyncPages(self, path, query)


class AsyncPages(Generic[T]):
    """A list of the API. Iterating reads one page after another, as needed."""

    def __init__(self, client: AsyncClient, path: str, query: Mapping[str, Any]) -> None:
        """Take the client, the path and the query."""
        self._client, self._path, self._query = client, path, query

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield every object. Raises: APIError; ConnectionFailed."""
        query: Mapping[str, Any] | None = self._query
        while query is not None:
            answer = await self._client._send(exchange.reading(self._path, query))  # noqa: SLF001
            for item in exchange.items(answer):
                yield item
            query = exchange.next_query(query, answer)


def asked(request: Request) -> dict[str, Any]:
    """Return the arguments of a request whose answer is streamed."""
    return {"method": request.method, "url": request.path, "params": request.query}


@contextlib.contextmanager
def downloading(request: Request) -> Iterator[None]:
    """Turn a transport error of the block into ConnectionFailed, which names the request."""
    try:
        yield
    except httpx.TransportError as error:
        raise _failure(request, error) from None


def _options(credential: str, base_url: str, timeout_seconds: float) -> dict[str, Any]:
    """Return the options of both kinds of connection. Redirects are not followed."""
    return {
        "base_url": base_url.rstrip("/") + PREFIX,
        "headers": {"Authorization": f"Bearer {credential}"},
        "timeout": httpx.Timeout(timeout_seconds, connect=10.0),
    }


def _built(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    return http.build_request(
        request.method,
        request.path,
        params=request.query,
        content=request.content,
        headers=request.headers,
    )


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _failure(request: Request, error: httpx.TransportError) -> ConnectionFailed:
    """Return the error that names the failed request, without the credential."""
    return ConnectionFailed(f"{request.method} {request.path}: {type(error).__name__}: {error}")
