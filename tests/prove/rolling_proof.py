"""Every replica is restarted, then killed, under a steady load: nothing fails, nothing is lost.

`make prove-rolling` runs it, and no run of the tests does: it takes minutes. The size comes from
the environment (tests/settings.py).
"""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from bench.checkout import Checkout
from tests import settings
from tests.prove import rolling_report
from tests.prove.purchasing import buying
from tests.prove.rolling_report import Run
from tests.prove.steady import Load, Steady
from tests.prove.twice import PROGRAMS, Twice, two_of_everything
from tests.shop import Pair, Shop

RESTART, KILL, CALM = "restarts", "kills", "calm"


@pytest.mark.timeout(1800)
async def test_every_replica_is_restarted_and_killed_and_no_request_fails(tmp_path: Path) -> None:
    size = settings.rolling_size()
    async with two_of_everything(tmp_path) as twice:
        async with Shop.of(twice.stack, url=twice.url) as shop:
            pairs = [await shop.pair(amount="500.00") for _ in range(4)]
            load, bought = await _disturbed(twice, shop, pairs, size)
        checks = await twice.checks()

    if (folder := settings.reports_folder()) is not None:
        run = Run(
            title="Rolling restarts",
            target="prove-rolling",
            commit=Checkout().commit,
            what=(
                "Each replica is restarted, one after another, and then killed.",
                "Whole purchases go on beside it.",
            ),
            size=size,
            phases=(RESTART, KILL, CALM),
            load=load,
            bought=bought,
            checks=checks,
        )
        rolling_report.write(folder / "rolling.md", run)
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
    async with buying(shop, pairs, over=over) as bought:
        steady = Steady(shop, pairs, load, seed=1)
        running = asyncio.create_task(steady.run(per_second=size.per_second, until=over))
        for phase, by in ((RESTART, signal.SIGTERM), (KILL, signal.SIGKILL)):
            for program in PROGRAMS:
                for replica in (1, 2):
                    load.phase = phase
                    await twice.restart(program, replica, by=by)
        load.phase = CALM
        await asyncio.sleep(max(began + size.seconds - time.monotonic(), 0))
        over.set()
        await running
    return load, len(bought)
