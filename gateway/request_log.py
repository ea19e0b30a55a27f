"""The request log: notes each request of a credential in memory, and writes the notes in batches.

It helps developers to see the requests of their programs. It is not a record: notes wait in memory,
and are dropped if too many wait. Bodies, query strings and credentials are never noted.
"""

import asyncio
import datetime as dt
import re
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any
from uuid import UUID

from prometheus_client import Counter as CounterMetric

from chassis.identity import Identity
from chassis.telemetry import logger
from gateway.request_store import LoggedRequest, RequestStore
from kernel.errors import NotFound, Unavailable
from kernel.ids import new_id

# Notes are written when this many wait, or after this time; at most this many per statement.
ENOUGH, LINGER_SECONDS, AT_ONCE_MAX = 500, 1.0, 500
# The limits of waiting notes: in all, and per marketplace.
WAITING_MAX, WAITING_OF_ONE_MAX = 10_000, 5_000
# A marketplace's oldest rows are deleted each time this many rows were added.
TRIMMED_EVERY = 5_000
END_SECONDS = 2.0
# The limits of stored texts, and of the longer texts that are searched for secrets before they are
# cut. A secret is therefore masked before it could be cut in two.
TEXT_MAX, LOOKED_AT_MAX = 255, 600
MASK = "…"
# API keys, tokens, secrets of webhooks and of Stellar accounts, and parts of a path with an @ as in
# e-mail addresses: a client may have put one into a path, a request id or an idempotency key.
_SECRET = re.compile(r"ohk_\w+|eyJ[\w.=-]+|whsec_[\w+/=-]+|\bS[A-Z2-7]{55}\b", re.ASCII)
_PART = re.compile(r"[^\s/]+")
NOT_LOGGED = CounterMetric(
    "orchestrator_requests_not_logged_total", "Requests that are missing in the request log"
)
log = logger()


class RequestNotFound(NotFound):
    """The caller's marketplace has no such request in its log."""

    reason = "REQUEST_NOT_FOUND"


class RequestLog:
    """The log of this process's requests. days: how long rows are kept; 0: logging is off."""

    def __init__(self, store: RequestStore, *, days: int, most: int) -> None:
        """most: the limit of rows per marketplace; above it, the oldest rows are deleted."""
        self.store = store
        self._days = days
        self._most = most
        self._waiting: deque[LoggedRequest] = deque()
        self._of: Counter[UUID] = Counter()
        self._written: Counter[UUID] = Counter()
        self._some, self._enough = asyncio.Event(), asyncio.Event()

    def note(
        self,
        who: Identity,
        *,
        method: str,
        route: str,
        path: str,
        status: int,
        refusal: Mapping[str, Any] | None,
        seconds: float,
        request_id: str,
        idempotency_key: str,
    ) -> None:
        """Note an answered request. refusal: the answer's body if it is a refusal."""
        if not self._days:
            return
        of_one = self._of[who.marketplace_id]
        if len(self._waiting) >= WAITING_MAX or of_one >= WAITING_OF_ONE_MAX:
            NOT_LOGGED.inc()
            return
        # Refusals of the party API have no envelope.
        error = refusal.get("error", refusal) if refusal is not None else _NO_ERROR
        noted = LoggedRequest(
            who.marketplace_id,
            new_id(),
            who.principal,
            who.role,
            method,
            route,
            path[:LOOKED_AT_MAX],
            status,
            error["code"],
            error["message"][:LOOKED_AT_MAX],
            int(seconds * 1000),
            request_id,
            idempotency_key[:LOOKED_AT_MAX],
        )
        self._waiting.append(noted)
        self._of[who.marketplace_id] = of_one + 1
        if len(self._waiting) == 1:
            self._some.set()
        elif len(self._waiting) == ENOUGH:
            self._enough.set()

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write notes during the block, and the waiting notes at its end."""
        writing = asyncio.create_task(self.keep_writing())
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.wait({writing})
            await self.finish()

    async def keep_writing(self) -> None:
        """Write notes until cancelled. While there are no notes, do nothing."""
        while True:
            await self._some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self._enough.wait()
            if not await self.write():
                await asyncio.sleep(LINGER_SECONDS)

    async def finish(self) -> None:
        """Write the waiting notes if it can be done soon, because the process will end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                while self._waiting and await self.write():
                    pass

    async def write(self) -> bool:
        """Write the oldest notes; returns whether they were written or dropped.

        While the database is unavailable, the notes keep waiting.
        """
        batch = list(islice(self._waiting, AT_ONCE_MAX))
        try:
            await self.store.add([_clean(one) for one in batch])
        except Unavailable:
            return False
        except Exception as error:  # noqa: BLE001 - whatever it is, the next ones are written
            log.warning("request_log.not_written", error=type(error).__name__)
            NOT_LOGGED.inc(len(batch))
        self._drop(len(batch))
        await self._trim(batch)
        return True

    async def forget(self) -> None:
        """Delete expired rows, and rows above the limit. Raises: Unavailable."""
        before = dt.datetime.now(dt.UTC) - dt.timedelta(days=self._days)
        await self.store.forget(before=before, most=self._most)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            done = self._waiting.popleft()
            self._of[done.marketplace_id] -= 1
            if not self._of[done.marketplace_id]:
                del self._of[done.marketplace_id]
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < ENOUGH:
            self._enough.clear()

    async def _trim(self, batch: list[LoggedRequest]) -> None:
        """Delete the oldest rows of marketplaces to which many rows were added."""
        self._written.update(one.marketplace_id for one in batch)
        for marketplace_id in {one.marketplace_id for one in batch}:
            if self._written[marketplace_id] >= TRIMMED_EVERY:
                del self._written[marketplace_id]
                try:
                    await self.store.trim(marketplace_id, most=self._most)
                except Exception as error:  # noqa: BLE001 - the hourly look deletes them
                    log.warning("request_log.not_trimmed", error=type(error).__name__)


_NO_ERROR: Mapping[str, Any] = {"code": "", "message": ""}


def _clean(noted: LoggedRequest) -> LoggedRequest:
    """Mask possible secrets in the client's texts, and characters that a text column refuses."""
    return noted._replace(
        path=_masked(noted.path),
        message=_masked(noted.message),
        request_id=_masked(noted.request_id),
        idempotency_key=_masked(noted.idempotency_key),
    )


def _masked(text: str) -> str:
    """Mask secrets in a text, in linear time for any content."""
    if not text:
        return text
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    if "@" in text:
        text = _PART.sub(lambda part: MASK if "@" in part[0] else part[0], text)
    return _SECRET.sub(MASK, text)[:TEXT_MAX]
