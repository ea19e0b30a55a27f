"""Several replicas, and ends in the middle: each event at least once, none lost, in order."""

import asyncio
import re
from collections import defaultdict
from pathlib import Path

import pytest
from aiohttp import web

from deploy.local.ports import free_port
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests.conftest import TestDatabase
from tests.identities import TRUST_FILE

from .conftest import KEY, Received, Receiver, open_house

AGGREGATES, EACH = 10, 12


def events_of(house: object) -> list[dict[str, object]]:
    """Return events of several aggregates, in turns."""
    return [
        house.event(aggregateId=f"ord_{name}", version=version)  # type: ignore[attr-defined]
        for version in range(1, EACH + 1)
        for name in range(AGGREGATES)
    ]


def check_order(received: list[Received]) -> None:
    """Check that the first arrivals of each aggregate are in the order of its versions."""
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for one in received:
        versions = seen[one.event["aggregateId"]]
        if one.event["version"] not in versions:
            versions.append(one.event["version"])
    assert set(map(tuple, seen.values())) == {tuple(range(1, EACH + 1))}
    assert len(seen) == AGGREGATES


async def test_two_replicas_deliver_each_event_once_and_in_order(
    database: TestDatabase, nats_url: str, receiver: Receiver
) -> None:
    async with open_house(database, nats_url, replicas=2) as house:
        webhook = await house.register(receiver.url)
        await house.publish(*events_of(house))
        await receiver.got(AGGREGATES * EACH)
        await house.delivered(webhook, 100)
    check_order(receiver.received)
    assert len(receiver.received) == AGGREGATES * EACH


async def test_a_replica_that_is_killed_loses_no_event(
    database: TestDatabase, nats_url: str, receiver: Receiver, tmp_path: Path
) -> None:
    """A second program is started and killed while it works; the one that stays goes on."""
    slow = asyncio.Event()

    async def answer(_: Received) -> web.Response:
        await asyncio.wait({asyncio.ensure_future(slow.wait())}, timeout=0.05)
        return web.Response()

    receiver.answer = answer
    async with open_house(database, nats_url) as house:
        webhook = await house.register(receiver.url)
        events = events_of(house)
        publishing = asyncio.ensure_future(house.publish(*events))
        for number in range(2):
            with (tmp_path / f"{number}.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *python_module("services.webhooks"),
                    env=child_environment(
                        DATABASE_URL=database.url("webhooks"),
                        NATS_URL=nats_url,
                        TRUST_FILE=str(TRUST_FILE),
                        GRPC_PORT=str(free_port()),
                        WEBHOOK_KEY=KEY,
                    ),
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                )
            await receiver.got(len(receiver.received) + 20)
            process.kill()
            await process.wait()
        await publishing
        slow.set()
        # The leases of a killed process run out.
        house.rows("update webhooks.deliveries set lease_until = 'epoch' returning 1")
        await receiver.got(len(events))
        await house.delivered(webhook, 100)
        found = house.rows(
            "select count(*), count(*) filter (where state = 'DELIVERED') from webhooks.deliveries"
        )
    assert found == [(len(events), len(events))]
    check_order(receiver.received)


@pytest.mark.parametrize("text", ["whsec_", KEY])
async def test_no_log_has_a_secret(
    database: TestDatabase,
    nats_url: str,
    receiver: Receiver,
    capfd: pytest.CaptureFixture[str],
    text: str,
) -> None:
    async with open_house(database, nats_url) as house:
        webhook = await house.register(receiver.url)
        await house.publish(house.event())
        await house.delivered(webhook, 1)
    printed = capfd.readouterr()
    assert re.search(r"rpc|service", printed.out + printed.err)
    assert text not in printed.out + printed.err
