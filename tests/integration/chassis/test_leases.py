"""Leased work: one process at a time, an epoch in every write, another process after a death."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Self

import psycopg
import pytest
from structlog.testing import capture_logs

from chassis.database import Database, Transaction
from chassis.leases import Lease, LeaseLost, Leases, LeaseTable
from chassis.waiting import Bell
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS

SECONDS = 30.0
DDL = """
create table shop.jobs (
    marketplace_id uuid not null, id uuid not null, state text not null default 'RUNNING',
    number int not null, lease_until timestamptz not null default 'epoch',
    lease_epoch bigint not null default 0, primary key (marketplace_id, id)
)
"""
TABLE = LeaseTable("jobs", running="state = 'RUNNING'", age="number")
MARKETPLACE = uuid.UUID(int=1)


@pytest.fixture
def jobs(shop: Shop) -> Shop:
    """A table of leased work, empty."""
    shop.run(DDL)
    return shop


def add(jobs: Shop, number: int) -> uuid.UUID:
    job = uuid.uuid4()
    values = f"('{MARKETPLACE}', '{job}', {number})"
    jobs.run(f"insert into jobs (marketplace_id, id, number) values {values}")  # noqa: S608
    return job


def run_out(jobs: Shop) -> None:
    jobs.run("update jobs set lease_until = 'epoch'")


def end(jobs: Shop) -> None:
    jobs.run("update jobs set state = 'ENDED'")


async def claim(database: Database, limit: int = 10) -> list[Lease]:
    async with database.transaction() as tx:
        return await TABLE.claim(tx, limit=limit, seconds=SECONDS)


async def renew(database: Database, *leases: Lease) -> set[Lease]:
    async with database.transaction() as tx:
        return await TABLE.renew(tx, leases, seconds=SECONDS)


async def fence(database: Database, lease: Lease) -> None:
    async with database.transaction() as tx:
        await TABLE.fence(tx, lease)


async def test_due_work_is_claimed_once_the_oldest_first(jobs: Shop) -> None:
    second, first = add(jobs, 2), add(jobs, 1)

    one = await claim(jobs.database, limit=1)
    rest = await claim(jobs.database)
    none = await claim(jobs.database)

    assert [lease.id for lease in one + rest] == [first, second]
    assert none == []


async def test_two_claims_at_once_share_the_work(jobs: Shop) -> None:
    wanted = {add(jobs, number) for number in range(8)}

    async with jobs.database.transaction() as tx:
        first = await TABLE.claim(tx, limit=4, seconds=SECONDS)
        second = await claim(jobs.database)

    assert len(first) == len(second) == 4
    assert {lease.id for lease in first + second} == wanted


@pytest.mark.parametrize("loses", ["another process", "the end"])
async def test_a_lost_lease_is_neither_renewed_nor_written_under(jobs: Shop, loses: str) -> None:
    add(jobs, 1)
    (lease,) = await claim(jobs.database)
    await fence(jobs.database, lease)
    run_out(jobs)
    newer = []
    if loses == "the end":
        end(jobs)
    else:
        newer = await claim(jobs.database)

    with pytest.raises(LeaseLost):
        await fence(jobs.database, lease)
    assert await renew(jobs.database, lease, *newer) == set(newer)
    async with jobs.database.transaction() as tx:
        assert not await TABLE.is_held(tx, lease)


async def test_a_lease_that_ran_out_is_held_until_another_process_claims_it(jobs: Shop) -> None:
    add(jobs, 1)
    (lease,) = await claim(jobs.database)
    run_out(jobs)

    assert await renew(jobs.database, lease) == {lease}
    assert await claim(jobs.database) == []


async def test_only_the_holder_gives_a_lease_back(jobs: Shop) -> None:
    add(jobs, 1)
    (old,) = await claim(jobs.database)
    run_out(jobs)
    (new,) = await claim(jobs.database)

    async with jobs.database.transaction() as tx:
        await TABLE.give_back(tx, [old])
    assert await claim(jobs.database) == []
    async with jobs.database.transaction() as tx:
        await TABLE.give_back(tx, [new])
    assert [lease.id for lease in await claim(jobs.database)] == [new.id]


class Process:
    """What carries the work of a table out, as one process does."""

    def __init__(
        self,
        jobs: Shop,
        *,
        seconds: float = SECONDS,
        most: int = 10,
        seldom: float = 0.06,
        is_left: Callable[[], bool] | None = None,
        idle: float = 0.05,
    ) -> None:
        self.begun: list[Lease] = []
        self.claims = 0
        self.troubles: list[Exception] = []
        self.is_set_aside = False
        self.do: Callable[[Lease], Awaitable[None]] = self.wait
        self.bell = Bell()
        self.cancelled: list[Lease] = []
        self.leases = Leases(
            database=jobs.database,
            table=TABLE,
            seconds=seconds,
            most=most,
            carry_out=self._carry_out,
            troubled=self._troubled,
            bell=self.bell,
            claim=self._claim,
            idle_seconds=idle,
            seldom_seconds=seldom,
            is_left=is_left,
        )
        self._jobs, self._seconds = jobs, seconds
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.leases.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def wait(self, lease: Lease) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(lease)
            raise

    async def finish(self, lease: Lease) -> None:
        async with self._jobs.database.transaction() as tx:
            await TABLE.fence(tx, lease)
            await tx.execute("update jobs set state = 'ENDED' where id = %s", (lease.id,))

    async def _claim(self, tx: Transaction, most: int) -> list[Lease]:
        self.claims += 1
        return await TABLE.claim(tx, limit=most, seconds=self._seconds)

    async def _carry_out(self, lease: Lease) -> None:
        self.begun.append(lease)
        await self.do(lease)

    async def _troubled(self, _lease: Lease, error: Exception, _seconds: float) -> bool:
        self.troubles.append(error)
        return self.is_set_aside


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - another process, or a row
            await asyncio.sleep(0.01)


async def test_no_more_work_is_claimed_than_fits(jobs: Shop) -> None:
    for number in range(5):
        add(jobs, number)

    async with Process(jobs, most=2) as process:
        await until(lambda: len(process.leases.held) == 2)
        other = await claim(jobs.database)

    assert len(other) == 3


async def test_a_stopped_process_gives_its_leases_back(jobs: Shop) -> None:
    job = add(jobs, 1)
    async with Process(jobs) as process:
        await until(lambda: bool(process.begun))

    assert [lease.id for lease in process.cancelled] == [job]
    assert [lease.id for lease in await claim(jobs.database)] == [job]


async def test_work_goes_on_in_another_process_after_its_lease_ran_out(jobs: Shop) -> None:
    add(jobs, 1)
    (dead,) = await claim(jobs.database)
    async with Process(jobs) as process:
        process.do = process.finish
        run_out(jobs)
        await until(lambda: jobs.rows("select state from jobs") == [("ENDED",)])

    assert [lease.epoch for lease in process.begun] == [dead.epoch + 1]


async def test_a_lease_is_renewed_for_as_long_as_the_work_takes(jobs: Shop) -> None:
    add(jobs, 1)
    async with Process(jobs, seconds=0.3) as process:
        await until(lambda: bool(process.begun))
        (before,) = jobs.rows("select lease_until from jobs")
        await until(lambda: jobs.rows("select lease_until from jobs") > [before])

        # A lease that ran out would have been claimed again, with the next epoch.
        assert jobs.rows("select lease_epoch from jobs") == [(1,)]
        assert await claim(jobs.database) == []


async def test_lost_work_is_cancelled(jobs: Shop) -> None:
    add(jobs, 1)
    async with Process(jobs, seconds=0.3) as process:
        await until(lambda: bool(process.begun))
        jobs.run("update jobs set lease_epoch = lease_epoch + 1, lease_until = 'infinity'")
        await until(lambda: bool(process.cancelled))

        assert list(process.leases.held) == []


async def test_failed_work_is_tried_again_until_it_is_set_aside(jobs: Shop) -> None:
    add(jobs, 1)

    async def fail(_lease: Lease) -> None:
        process.is_set_aside = len(process.begun) == 3
        raise Unavailable("The chain is unavailable")

    async with Process(jobs) as process:
        process.do = fail
        await until(lambda: bool(process.troubles) and not process.leases.held)

    assert [type(error) for error in process.troubles] == [Unavailable] * 3
    assert len({lease.epoch for lease in process.begun}) == 1


async def test_work_whose_lease_is_lost_is_not_tried_again(jobs: Shop) -> None:
    add(jobs, 1)

    async def lose(lease: Lease) -> None:
        jobs.run("update jobs set lease_epoch = lease_epoch + 1, lease_until = 'infinity'")
        await fence(jobs.database, lease)

    async with Process(jobs) as process:
        process.do = lose
        await until(lambda: bool(process.begun) and not process.leases.held)

    assert process.troubles == []
    assert len(process.begun) == 1


async def test_a_young_lease_is_held_without_asking_the_database(jobs: Shop) -> None:
    add(jobs, 1)
    async with Process(jobs) as process:
        await until(lambda: bool(process.begun))
        (lease,) = process.begun
        # Nobody else can claim it before it runs out.
        jobs.run("update jobs set lease_epoch = lease_epoch + 1, lease_until = 'infinity'")

        await process.leases.hold(lease)


async def test_an_old_lease_is_asked_for_before_it_is_relied_on(jobs: Shop) -> None:
    add(jobs, 1)
    (lease,) = await claim(jobs.database)
    async with Process(jobs) as process:
        process.leases.begin(lease, asked_at=time.monotonic() - SECONDS)
        jobs.run("update jobs set lease_until = clock_timestamp() + interval '1 second'")
        await process.leases.hold(lease)

        (until,) = jobs.rows("select lease_until > clock_timestamp() + interval '9 s' from jobs")
    assert until == (True,)


async def test_an_old_lease_that_was_lost_is_not_relied_on(jobs: Shop) -> None:
    add(jobs, 1)
    (lease,) = await claim(jobs.database)
    async with Process(jobs) as process:
        process.leases.begin(lease, asked_at=time.monotonic() - SECONDS)
        jobs.run("update jobs set lease_epoch = lease_epoch + 1, lease_until = 'infinity'")

        with pytest.raises(LeaseLost):
            await process.leases.hold(lease)


async def test_nothing_is_claimed_while_no_work_runs_until_a_bell_rings(
    jobs: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    is_any_running = LeaseTable.is_any_running

    async def counted(table: LeaseTable, tx: Transaction) -> bool:
        looks.append(await is_any_running(table, tx))
        return looks[-1]

    monkeypatch.setattr(LeaseTable, "is_any_running", counted)
    async with Process(jobs) as process:
        await until(lambda: len(looks) > 2)
        assert process.claims == 1
        # Work of another process: found without a bell.
        job = add(jobs, 1)
        await until(lambda: bool(process.begun))
    assert [lease.id for lease in process.begun] == [job]
    assert looks[:3] == [False] * 3

    end(jobs)
    async with Process(jobs, seldom=10 * PATIENCE_SECONDS) as process:
        looks.clear()
        await until(lambda: bool(looks))
        job = add(jobs, 2)
        process.bell.ring()
        await until(lambda: bool(process.begun))
    assert [lease.id for lease in process.begun] == [job]
    assert looks == [False]


@pytest.mark.parametrize("left", [1, 0])
async def test_end_of_work_triggers_a_claim_only_if_the_last_claim_left_some(
    jobs: Shop, left: int
) -> None:
    long = 10 * PATIENCE_SECONDS
    add(jobs, 1)
    async with Process(jobs, idle=long, seldom=long, is_left=lambda: left > 0) as process:
        process.do = process.finish
        await until(lambda: bool(process.begun) and not process.leases.held)
        if left:
            await until(lambda: process.claims == 2)
        else:
            assert not await process.bell.wait(seconds=0)
            assert process.claims == 1


async def test_a_worker_survives_an_outage_of_the_database(jobs: Shop) -> None:
    with capture_logs() as logs:
        async with Process(jobs) as process:
            with psycopg.connect(jobs.url, autocommit=True) as admin:
                admin.execute("alter table shop.jobs rename to gone")
                await until(lambda: "leases.claim_failed" in {line["event"] for line in logs})
                admin.execute("alter table shop.gone rename to jobs")
            job = add(jobs, 1)
            await until(lambda: bool(process.begun))

    assert [lease.id for lease in process.begun] == [job]
