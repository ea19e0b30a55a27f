"""Every replica is restarted, then killed, under a steady load: nothing fails, nothing is lost.

`make prove-rolling` runs it, and no run of the tests does: it takes minutes. The size comes from
the environment (tests/settings.py).
"""

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from deploy.local import credentials
from deploy.local.nats_users import ADMIN
from deploy.local.wiring import with_user
from tests import settings
from tests.operating import operate
from tests.prove import rolling_report
from tests.prove.check_stream import check_stream
from tests.prove.steady import AGAIN_SECONDS, AWAY, Load, Steady
from tests.prove.twice import PROGRAMS, Twice, two_of_everything
from tests.shop import Pair, Shop, until

RESTART, KILL = "restarts", "kills"
PURCHASERS = 2


@pytest.mark.timeout(1800)
async def test_every_replica_is_restarted_and_killed_and_no_request_fails(tmp_path: Path) -> None:
    size = settings.rolling_size()
    async with two_of_everything(tmp_path) as twice:
        async with Shop.of(twice.stack, url=twice.url) as shop:
            pairs = [await shop.pair(amount="500.00") for _ in range(4)]
            load, bought = await _disturbed(twice, shop, pairs, size)
        await _all_is_well(twice)
        stack = twice.stack.document
        nats_url = with_user(
            stack["natsUrl"], ADMIN, credentials.load(twice.stack.run_dir).nats[ADMIN]
        )
        checks = await check_stream(
            stack["databaseUrl"], nats_url=nats_url, authority=stack["natsCaFile"]
        )

    if (folder := settings.reports_folder()) is not None:
        rolling_report.write(folder, size, load, bought=bought, checks=checks)
    assert [found.describe() for found in checks if not found.holds] == []
    assert load.failed == []
    assert bought > 0
    # A restart may fail no request; only after a kill may a request be retried.
    assert {what: count for what, count in load.again.items() if KILL not in what[0]} == {}


async def _disturbed(
    twice: Twice, shop: Shop, pairs: list[Pair], size: settings.RollingSize
) -> tuple[Load, int]:
    """Restart and kill every replica under load; returns what became of the requests."""
    load, over = Load(), asyncio.Event()
    began = time.monotonic()
    async with buying(shop, pairs, until=over) as bought:
        steady = Steady(shop, pairs, load, seed=1)
        running = asyncio.create_task(steady.run(per_second=size.per_second, until=over))
        for phase, by in ((RESTART, signal.SIGTERM), (KILL, signal.SIGKILL)):
            for program in PROGRAMS:
                for replica in (1, 2):
                    load.phase = phase
                    await twice.restart(program, replica, by=by)
        load.phase = "calm"
        await asyncio.sleep(max(began + size.seconds - time.monotonic(), 0))
        over.set()
        await running
    return load, len(bought)


@contextlib.asynccontextmanager
async def buying(
    shop: Shop, pairs: list[Pair], *, until: asyncio.Event
) -> AsyncIterator[list[str]]:
    """Carry purchases from beginning to end meanwhile; yields the ids of those that are done."""
    done: list[str] = []

    async def buy() -> None:
        while not until.is_set():
            pair = pairs[len(done) % len(pairs)]
            order_id = await _order(shop, pair)
            for command in ("reserve", "escrow", "fund", "release"):
                await _persistently(shop, f"{order_id} {command}", order_id, command)
            done.append(order_id)

    async with asyncio.TaskGroup() as group:
        for _ in range(PURCHASERS):
            group.create_task(buy())
        yield done


async def _order(shop: Shop, pair: Pair) -> str:
    key = str(uuid.uuid4())
    body = {"buyerId": pair.buyer, "sellerId": pair.seller, "amount": "2.00", "title": "Whole"}
    while True:
        with contextlib.suppress(httpx.TransportError):
            answer = await shop.post("/orders", body, key=key)
            if answer.is_success:
                return str(answer.json()["data"]["id"])
        await asyncio.sleep(AGAIN_SECONDS)


async def _persistently(shop: Shop, what: str, order_id: str, command: str) -> None:
    """Do a command, asking again with the same key until it is done."""
    key = str(uuid.uuid4())

    async def is_done() -> bool:
        try:
            answer = await shop.act(order_id, command, key=key)
        except httpx.TransportError:
            return False
        if answer.status_code in {202, 409, *AWAY}:
            return False
        assert answer.is_success, answer.text
        return True

    await until(is_done, what=f"{what} did not end")


async def _all_is_well(twice: Twice) -> None:
    """Compare the books with the chain, once no operation is in progress."""

    async def is_well() -> bool:
        done = await asyncio.to_thread(operate, twice.stack.run_dir, "reconcile")
        return done.returncode == 0

    await until(is_well, what="the books and the chain do not agree")
