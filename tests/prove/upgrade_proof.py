"""Replicas of an earlier version are replaced one by one under load, as an update does it.

`make prove-upgrade FROM=<checkout>` runs it. The earlier version serves from its own checkout, with
its own interpreter, while this version migrates the schemas. Then each program runs once in either
version, both on the same rows and streams. In the end this version alone starts on the data.
"""

import asyncio
import signal
from pathlib import Path

import pytest

from bench.checkout import Checkout
from tests import settings
from tests.operating import operate
from tests.prove import rolling_report
from tests.prove.purchasing import buying
from tests.prove.rolling_report import Run
from tests.prove.steady import Load, Steady
from tests.prove.twice import PROGRAMS, Twice, two_of_everything
from tests.shop import Pair, Shop

BEFORE, MIGRATION, UPDATES, BESIDE = "before", "migration", "updates", "side by side"
KILLS, AFTER = "kills", "after"
PHASES = (BEFORE, MIGRATION, UPDATES, BESIDE, KILLS, AFTER)
# The gateway calls all others, and orders calls the rest: those that are called are updated first.
ORDER = ("ledger", "escrow", "disputes", "webhooks", "orders", "gateway")


@pytest.mark.timeout(1800)
async def test_versions_serve_side_by_side_and_no_request_fails(tmp_path: Path) -> None:
    size, earlier = settings.rolling_size(), Checkout(settings.earlier_checkout())
    load = Load()
    async with two_of_everything(tmp_path, keep=True, checkout=earlier) as twice:
        async with Shop.of(twice.stack, url=twice.url) as shop:
            pairs = [await shop.pair(amount="500.00") for _ in range(4)]
            bought = await _updated(twice, shop, pairs, size, load)
        mixed = await twice.checks()
    async with two_of_everything(tmp_path) as twice:
        async with Shop.of(twice.stack, url=twice.url) as shop:
            bought += await _served(shop, pairs, size, load, seconds=size.seconds / 6)
        whole = await twice.checks()

    if (folder := settings.reports_folder()) is not None:
        run = Run(
            title="Update under load",
            target="prove-upgrade",
            commit=f"{Checkout().commit}, from {earlier.commit}",
            what=(
                "The earlier version serves while this version migrates the schemas. Then one",
                "replica of each program is replaced, both versions serve side by side, and every",
                "replica of both is killed. In the end this version alone starts on the data.",
                "Whole purchases go on beside it. The checks are made twice: of both versions, and",
                "of this version alone.",
            ),
            size=size,
            phases=PHASES,
            load=load,
            bought=bought,
            checks=[*mixed, *whole],
        )
        rolling_report.write(folder / "upgrade.md", run)
    assert [found.describe() for found in (*mixed, *whole) if not found.holds] == []
    assert load.failed == []
    assert bought > 0
    # An update may fail no request; only after a kill may a request be retried.
    assert {what: count for what, count in load.again.items() if KILLS not in what[0]} == {}


async def _updated(
    twice: Twice, shop: Shop, pairs: list[Pair], size: settings.RollingSize, load: Load
) -> int:
    """Migrate, and replace a replica of each program, under load; return the whole purchases."""
    over = asyncio.Event()
    async with buying(shop, pairs, over=over) as bought:
        steady = Steady(shop, pairs, load, seed=1)
        running = asyncio.create_task(steady.run(per_second=size.per_second, until=over))
        load.phase = BEFORE
        await asyncio.sleep(size.seconds / 6)

        load.phase = MIGRATION
        done = await asyncio.to_thread(operate, twice.stack.run_dir, "migrate")
        assert done.returncode == 0, done.stderr

        load.phase = UPDATES
        for program in ORDER:
            await twice.replace(program, by=Checkout())

        load.phase = BESIDE
        await asyncio.sleep(size.seconds / 2)

        load.phase = KILLS
        for program in PROGRAMS:
            for replica in (1, 2):
                await twice.restart(program, replica, by=signal.SIGKILL)
        over.set()
        await running
    return len(bought)


async def _served(
    shop: Shop, pairs: list[Pair], size: settings.RollingSize, load: Load, *, seconds: float
) -> int:
    """Serve the load for so many seconds; return the whole purchases."""
    over, load.phase = asyncio.Event(), AFTER
    async with buying(shop, pairs, over=over) as bought:
        steady = Steady(shop, pairs, load, seed=2)
        running = asyncio.create_task(steady.run(per_second=size.per_second, until=over))
        await asyncio.sleep(seconds)
        over.set()
        await running
    return len(bought)
