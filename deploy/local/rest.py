"""The marketplace API as a marketplace's backend calls it: over HTTP, with its key."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

# The gateway answers within 30 s by itself; this is the last resort.
TIMEOUT_SECONDS = 60.0


@dataclass(eq=False)
class RefusedError(Exception):
    """An answer that is no success, in the documented shape."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message} {dict(self.details) or ''}".strip()


class Marketplace:
    """The API, seen with one key. Every POST carries an Idempotency-Key of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def of(cls, *, url: str, api_key: str) -> AsyncIterator["Marketplace"]:
        """Open a client for the block."""
        async with httpx.AsyncClient(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=TIMEOUT_SECONDS,
        ) as client:
            yield cls(client)

    async def get(self, path: str) -> dict[str, Any]:
        """Return `data` of the answer. Raises: RefusedError; httpx.HTTPError."""
        return data_of(await self._client.get(path))

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """Return `data` of the answer. key: the Idempotency-Key, a new one where None.

        Raises: RefusedError; httpx.HTTPError.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return data_of(await self._client.post(path, json=body, headers=headers))

    async def marketplace_id(self) -> uuid.UUID:
        """Return whose key this is."""
        return uuid.UUID((await self.get("/me"))["marketplaceId"])


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """Take the documented envelope off. Raises: RefusedError."""
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
