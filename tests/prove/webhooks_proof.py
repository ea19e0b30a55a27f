"""Webhooks while their replicas are killed: each event at least once, none lost, in order.

`make prove-webhooks` runs it, and no run of the tests does: it takes minutes. The size comes from
the environment (tests/settings.py).
"""

import asyncio
import datetime as dt
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web

from chassis.bus import Bus
from deploy.local.ports import free_port
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests import settings
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE
from tests.integration.webhooks.conftest import (
    KEY,
    House,
    Received,
    Receiver,
    open_house,
    receiving,
)

EACH = 20
REPLICAS = 2
LOOK_SECONDS = 0.25
# One in so many events is refused once by the third endpoint.
REFUSED_EACH, SLOW_SECONDS = 50, 0.02
FINISHED = "select count(*) from webhooks.deliveries where state <> 'PENDING'"
ENDED = """
select webhook_id::text, count(*), count(*) filter (where state = 'DELIVERED')
from webhooks.deliveries group by 1
"""


@dataclass(slots=True)
class Replicas:
    """The programs that are killed and started again."""

    environment: dict[str, str]
    folder: Path
    running: list[asyncio.subprocess.Process] = field(default_factory=list)
    kills: int = 0

    async def start(self) -> None:
        """Start one more."""
        name = f"{self.kills}-{len(self.running)}.log"
        with (self.folder / name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *python_module("services.webhooks"),
                env=child_environment(**self.environment, GRPC_PORT=str(free_port())),
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.running.append(process)

    async def kill(self, which: int) -> None:
        """Kill one, and start another."""
        process = self.running.pop(which)
        process.kill()
        await process.wait()
        self.kills += 1
        await self.start()

    async def end(self) -> None:
        """Kill all."""
        for process in self.running:
            process.kill()
            await process.wait()


@pytest.mark.timeout(1800)
async def test_killed_replicas_lose_no_event_and_keep_the_order(
    database: TestDatabase, nats_url: str, tmp_path: Path
) -> None:
    size, dice = settings.webhooks_size(), random.Random(1)
    environment = {
        "DATABASE_URL": database.url("webhooks"),
        "NATS_URL": nats_url,
        "TRUST_FILE": str(TRUST_FILE),
        "WEBHOOK_KEY": KEY,
    }
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(receiving()) for _ in range(3)]
        receivers[1].answer = _slow
        receivers[2].answer = _refusing()
        async with open_house(database, nats_url) as registering:
            secrets = [(await registering.register(one.url)).secret for one in receivers]
        bus = Bus(url=nats_url, name="test")
        stack.push_async_callback(bus.close)
        house = replace(registering, bus=bus)
        events = _events(house, count=size.events)
        replicas = Replicas(environment=environment, folder=tmp_path)
        stack.push_async_callback(replicas.end)

        began = time.monotonic()
        for _ in range(REPLICAS):
            await replicas.start()
        publishing = asyncio.create_task(house.publish(*events))
        total = len(events) * len(receivers)
        for number in range(size.kills):
            await _until_received(receivers, total * (number + 1) // (size.kills + 1))
            await replicas.kill(dice.randrange(REPLICAS))
        await publishing
        await _until_ended(database, total)
        took = time.monotonic() - began
        ended = house.rows(ENDED)

    ids = {event["eventId"] for event in events}
    for receiver, secret in zip(receivers, secrets, strict=True):
        for one in receiver.received:
            one.verify(secret)
        assert {one.event["eventId"] for one in receiver.received} == ids
    assert [(count, delivered) for _, count, delivered in ended] == [(len(ids), len(ids))] * 3
    for receiver in receivers[:2]:
        _check_order(receiver.received)
    if (folder := settings.reports_folder()) is not None:
        _write(folder, receivers, events=len(ids), kills=replicas.kills, seconds=took)


def _events(house: House, *, count: int) -> list[dict[str, Any]]:
    """Return events of several aggregates, in turns."""
    return [
        house.event(aggregateId=f"ord_{name}", version=version)
        for version in range(1, EACH + 1)
        for name in range(count // EACH)
    ]


async def _slow(_: Received) -> web.Response:
    await asyncio.sleep(SLOW_SECONDS)
    return web.Response()


def _refusing() -> Callable[[Received], Any]:
    refused: set[str] = set()

    async def answer(one: Received) -> web.Response:
        name = str(one.event["eventId"])
        if int(name.encode().hex(), 16) % REFUSED_EACH == 0 and name not in refused:
            refused.add(name)
            return web.Response(status=500)
        return web.Response()

    return answer


async def _until_received(receivers: Sequence[Receiver], count: int) -> None:
    while sum(len(one.received) for one in receivers) < count:  # noqa: ASYNC110 - from outside
        await asyncio.sleep(LOOK_SECONDS)


async def _until_ended(database: TestDatabase, count: int) -> None:
    async with await psycopg.AsyncConnection.connect(database.url(), autocommit=True) as admin:
        while True:
            row = await (await admin.execute(FINISHED)).fetchone()
            if row is not None and row[0] >= count:
                return
            await asyncio.sleep(LOOK_SECONDS)


def _check_order(received: Sequence[Received]) -> None:
    """Check that the first arrivals of each aggregate are in the order of its versions."""
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for one in received:
        event = one.event
        if event["version"] not in seen[event["aggregateId"]]:
            seen[event["aggregateId"]].append(event["version"])
    assert {tuple(versions) for versions in seen.values()} == {tuple(range(1, EACH + 1))}


def _write(
    folder: Path, receivers: Sequence[Receiver], *, events: int, kills: int, seconds: float
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("answers at once", f"answers after {SLOW_SECONDS * 1000:.0f} ms", "refuses some once")
    lines = [
        "# Webhooks while their replicas are killed",
        "",
        f"Written by `make prove-webhooks` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, on",
        f"{os.cpu_count()} cores: {events} events of {events // EACH} aggregates to three",
        f"endpoints, {REPLICAS} replicas, {kills} kills meanwhile; {seconds:.0f} s in all.",
        "",
        "| endpoint | events | requests | of them repeated |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {events} | {len(one.received)} | {len(one.received) - events} |"
        for name, one in zip(names, receivers, strict=True)
    ]
    lines += [
        "",
        "Each endpoint got every event; every signature is right. The first arrivals of each",
        "aggregate are in the order of its versions, at the two endpoints that refuse nothing.",
    ]
    (folder / "webhooks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
