"""HTTP for the SDK: one pool of connections, a limit on answers, and no connection left open.

The SDK's own client keeps a connection whose answer breaks off. A node that does so often would use
up the pool.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import aiohttp
import orjson
from stellar_sdk.client.base_async_client import BaseAsyncClient
from stellar_sdk.client.response import Response
from stellar_sdk.exceptions import ConnectionError as SdkConnectionError
from stellar_sdk.exceptions import ContentSizeLimitExceededError

from services.escrow.outgoing import Outgoing
from services.escrow.ports import ChainThrottled

ANSWER_BYTES_MAX = 32 * 1024 * 1024
TOO_MANY_REQUESTS = 429


class JsonAnswer(Response):
    """An answer that is parsed as JSON at most once."""

    def json(self) -> Any:
        """Return the document. Raises: json.JSONDecodeError."""
        return orjson.loads(self.text)


class Http(BaseAsyncClient):
    """Makes requests; connects at the first request. Every method may raise ChainThrottled."""

    def __init__(self, *, timeout_seconds: int, headers: Mapping[str, str] | None = None) -> None:
        self._outgoing = Outgoing(timeout_seconds=timeout_seconds, headers=headers)

    async def get(
        self, url: str, params: dict[str, str] | None = None, max_content_size: int | None = None
    ) -> JsonAnswer:
        """Send a GET. Raises: the SDK's ConnectionError; TimeoutError."""
        limit = ANSWER_BYTES_MAX if max_content_size is None else max_content_size
        return await self._request("GET", url, params=params, limit=limit)

    async def post(
        self,
        url: str,
        data: dict[str, str] | None = None,
        json_data: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonAnswer:
        """Send a POST. Raises: the SDK's ConnectionError; TimeoutError."""
        return await self._request("POST", url, data=data, json=json_data, headers=headers)

    def stream(
        self, url: str, params: dict[str, str] | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Refuse: events are read by cursor here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the connections."""
        await self._outgoing.close()

    async def _request(
        self, method: str, url: str, *, limit: int = ANSWER_BYTES_MAX, **parts: Any
    ) -> JsonAnswer:
        try:
            async with self._outgoing.request(method, url, **parts) as answer:
                body = await _read(answer, limit=limit)
                if answer.status == TOO_MANY_REQUESTS:
                    raise ChainThrottled(f"{answer.url.host} limits the rate of requests")
                text = body.decode("utf-8", "replace")
                return JsonAnswer(answer.status, text, dict(answer.headers), str(answer.url))
        except aiohttp.ClientError as error:
            raise SdkConnectionError(str(error)) from error


async def _read(answer: aiohttp.ClientResponse, *, limit: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise ContentSizeLimitExceededError(limit=limit, content_size=len(body))
    return bytes(body)
