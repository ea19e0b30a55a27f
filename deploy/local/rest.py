"""A client of the marketplace API, as a marketplace's backend uses it: HTTP with an API key."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

# The gateway answers within 30 seconds. This limit is a last resort.
TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.2
# Documented refusals that are worth a retry, because a part is unavailable or busy.
PASSING = ("PROVIDER_UNAVAILABLE", "PROVIDER_TIMEOUT", "IDEMPOTENCY_KEY_IN_PROGRESS")


@dataclass(eq=False)
class RefusedError(Exception):
    """A refusal in the documented shape."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message} {dict(self.details) or ''}".strip()


class Marketplace:
    """The API with one key. Every POST has its own Idempotency-Key.

    A call that fails because a part is unavailable is repeated with the same Idempotency-Key, so
    the change is made once.
    """

    def __init__(self, client: httpx.AsyncClient, *, patience_seconds: float) -> None:
        self._client = client
        self._patience_seconds = patience_seconds

    @classmethod
    @asynccontextmanager
    async def of(
        cls, *, url: str, api_key: str, patience_seconds: float = 30
    ) -> AsyncIterator["Marketplace"]:
        """Open a client for the block."""
        async with httpx.AsyncClient(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT_SECONDS,
        ) as client:
            yield cls(client, patience_seconds=patience_seconds)

    async def get(self, path: str) -> dict[str, Any]:
        """Return `data` of the response. Raises: RefusedError; httpx.HTTPError."""
        return await self._persistently("GET", path, None, {})

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """Return `data` of the response. key: the Idempotency-Key; None: a new one.

        Raises: RefusedError; httpx.HTTPError.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return await self._persistently("POST", path, body, headers)

    async def _persistently(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                answer = await self._client.request(method, path, json=body, headers=dict(headers))
                return data_of(answer)
            except (RefusedError, httpx.TransportError) as error:
                is_passing = not isinstance(error, RefusedError) or error.code in PASSING
                if not is_passing or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def marketplace_id(self) -> uuid.UUID:
        """Return the id of the key's marketplace."""
        return uuid.UUID((await self.get("/me"))["marketplaceId"])


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """Return `data` of the documented envelope. Raises: RefusedError."""
    try:
        document = answer.json()
    except ValueError:
        document = {}
    if answer.is_success and document.get("success") is True:
        data: dict[str, Any] = document["data"]
        return data
    error = document.get("error", {})
    raise RefusedError(
        answer.status_code,
        error.get("code", "?"),
        error.get("message", answer.text[:200]),
        error.get("details") or {},
    )
