"""Clients that retry until they have a definite answer, and record every answer.

Each change has an Idempotency-Key, and is asked again under it for as long as the answer says
"not now" or does not come. Some are asked twice at once: the answers must not differ.
"""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import httpx

# Longer than any disturbance; after that the client gives up, and the run fails.
GIVE_UP_SECONDS = 900.0
PATIENCE = (45.0, 45.0, 45.0, 2.0, 0.5)
PREFERENCES = (None, None, "wait=1", "respond-async")
PAUSE_SECONDS = (0.05, 1.5)
TWICE = 0.1
ACCEPTED, TOO_MANY, NOT_FOUND = 202, 429, 404
IN_PROGRESS = "IDEMPOTENCY_KEY_IN_PROGRESS"
ABANDONED = "The payout was abandoned"

Body = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. status: 0 without one; then `code` says why. come_back: it asks for a retry."""

    status: int
    code: str
    text: str
    come_back: bool = False

    @property
    def is_success(self) -> bool:
        """Tell whether it was done."""
        return 200 <= self.status < 300 and self.status != ACCEPTED

    @property
    def is_definite(self) -> bool:
        """Tell whether a retry cannot change it."""
        is_refused = 400 <= self.status < 500 and not self.come_back
        return self.is_success or is_refused or self.is_abandoned

    @property
    def is_abandoned(self) -> bool:
        """Tell whether an operator has ended it: who asks does not try the same again."""
        return self.code.upper() == "PROVIDER_ERROR" and ABANDONED in self.text

    @property
    def data(self) -> dict[str, Any]:
        """The document, without the marketplace view's envelope."""
        document: dict[str, Any] = json.loads(self.text)
        data: dict[str, Any] = document.get("data", document)
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A requested change. order: the public id, if it is about an order.

    at: when it was asked first, and when it was answered, by the wall's clock.
    """

    op: str
    who: str
    path: str
    body: Body
    key: str
    order: str
    at: tuple[float, float]
    answer: Answer


# Spans whose changes a restored database has lost: from its copy to its stop.
Lost = Sequence[tuple[float, float]]


def is_lost(asked: Asked, lost: Lost) -> bool:
    """Tell whether a restored database has, or may have, lost a change."""
    return any(asked.at[0] < end and start < asked.at[1] for start, end in lost)


@dataclass(slots=True)
class History:
    """All requests and answers. file: the same, one JSON object a line."""

    file: TextIO
    asked: list[Asked] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    twins_that_differ: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def write(self, **line: object) -> None:
        """Write a line for the analysis of a failure."""
        self.file.write(json.dumps({"at": time.time(), **line}) + "\n")

    def keep(self, asked: Asked) -> None:
        """Keep a change with its definite answer."""
        self.asked.append(asked)
        answer = asked.answer
        self.write(
            op=asked.op,
            who=asked.who,
            path=asked.path,
            key=asked.key,
            order=asked.order,
            status=answer.status,
            code=answer.code,
            text=answer.text,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """A client with its own credential. name: for the history."""

    name: str
    client: httpx.AsyncClient
    history: History

    async def change(
        self,
        op: str,
        path: str,
        body: Body = None,
        *,
        rnd: random.Random,
        order: str = "",
        may_wait: bool = True,
    ) -> Answer:
        """Request a change until there is a definite answer; returns the last answer otherwise."""
        key, started = str(uuid.UUID(int=rnd.getrandbits(128))), time.time()
        prefer = rnd.choice(PREFERENCES) if may_wait else None
        patience = rnd.choice(PATIENCE)
        while True:
            answer = await self._once_or_twice(path, body, key, prefer, patience, rnd)
            if answer.is_definite:
                at = (started, time.time())
                self.history.keep(
                    Asked(
                        op=op,
                        who=self.name,
                        path=path,
                        body=body,
                        key=key,
                        order=order,
                        at=at,
                        answer=answer,
                    )
                )
                return answer
            if time.time() - started > GIVE_UP_SECONDS:
                self.history.given_up.append(f"{op} {path} {key}: {answer.status} {answer.code}")
                return answer
            prefer = "wait=10" if may_wait else None
            patience = PATIENCE[0]
            await asyncio.sleep(rnd.uniform(*PAUSE_SECONDS))

    async def again(self, asked: Asked) -> Answer:
        """Repeat a request until there is a definite answer."""
        started = time.time()
        while True:
            answer = await self.once("POST", asked.path, asked.body, key=asked.key)
            if answer.is_definite or time.time() - started > GIVE_UP_SECONDS:
                return answer
            await asyncio.sleep(0.2)

    async def look(self, path: str) -> dict[str, Any] | None:
        """Read something, with retries; None if it does not exist."""
        started = time.time()
        while True:
            answer = await self.once("GET", path, None)
            if answer.is_success:
                return answer.data
            if answer.status == NOT_FOUND or time.time() - started > GIVE_UP_SECONDS:
                return None
            await asyncio.sleep(0.3)

    async def _once_or_twice(
        self,
        path: str,
        body: Body,
        key: str,
        prefer: str | None,
        patience: float,
        rnd: random.Random,
    ) -> Answer:
        def once() -> "asyncio.Future[Answer]":
            asking = self.once("POST", path, body, key=key, prefer=prefer, patience=patience)
            return asyncio.ensure_future(asking)

        if rnd.random() > TWICE:
            return await once()
        answers = await asyncio.gather(once(), once())
        done = [answer for answer in answers if answer.is_success]
        if len({answer.text for answer in done}) > 1:
            self.history.twins_that_differ.append(f"{path} {key}: {done}")
        return done[0] if done else answers[0]

    async def once(
        self,
        method: str,
        path: str,
        body: Body,
        *,
        key: str = "",
        prefer: str | None = None,
        patience: float = PATIENCE[0],
    ) -> Answer:
        """Send one request; a broken connection is an answer, too."""
        headers = {"Idempotency-Key": key} if key else {}
        if prefer:
            headers["Prefer"] = prefer
        try:
            came = await self.client.request(
                method, path, json=body, headers=headers, timeout=patience
            )
        except httpx.HTTPError as error:
            answer = Answer(status=0, code=type(error).__name__, text="")
        else:
            answer = _answer(came)
        self.history.statuses[f"{answer.status} {answer.code}".strip()] += 1
        return answer


def _answer(came: httpx.Response) -> Answer:
    code = ""
    if came.is_error:
        try:
            document = came.json()
            code = str(document.get("error", document).get("code", "?"))
        except ValueError:
            code = "?"
    come_back = (
        "Retry-After" in came.headers
        or came.status_code == TOO_MANY
        or code.upper() == IN_PROGRESS
        or code == "?"
    )
    return Answer(status=came.status_code, code=code, text=came.text, come_back=come_back)
