"""Batches, when one of their requests or the database fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog

from kernel.errors import Unavailable
from services.ledger import batch, saving
from services.ledger.batch import TooManyTransfers
from services.ledger.book import FEES, TransferStatus
from tests.integration.ledger.conftest import WORLD, House, escrow, pending, post, single

CREATED, EXISTS = TransferStatus.CREATED, TransferStatus.EXISTS
# PostgreSQL cannot store this text. The wire refuses it; here it stands for any refused row.
POISON = "\x00"


async def test_request_refused_by_the_database_does_not_fail_its_batch(house: House) -> None:
    ann = await house.user(100)

    with structlog.testing.capture_logs() as logs:
        answers = await asyncio.gather(
            house.post(pending(ann, escrow(), 10)),
            house.post(single(WORLD, "suspense", 1, reason=POISON)),
            house.post(pending(ann, escrow(), 20)),
            return_exceptions=True,
        )

    first, poisoned, last = answers
    assert not isinstance(first, BaseException)
    assert not isinstance(last, BaseException)
    assert [first[0].status, last[0].status] == [CREATED, CREATED]
    assert isinstance(poisoned, ValueError)
    assert (await house.balance(ann)).reserved == 30
    assert "gathering.split" in [line["event"] for line in logs]


async def test_a_batch_stays_within_its_limit(house: House) -> None:
    replica = await house.replica(transfers_max=2, lanes=1)
    number = len(house.replicas) - 1

    await asyncio.gather(
        *(house.post(single(WORLD, "suspense", 1), replica=number) for _ in range(6)),
        house.post(*(single(WORLD, "suspense", 1) for _ in range(5)), replica=number),
    )

    commits = house.rows(
        "select count(*) from ledger.transfers where marketplace_id = %s group by xmin::text",
        house.marketplace,
    )
    assert sorted(count for (count,) in commits) == [2, 2, 2, 5]
    await replica.batcher.close()


async def test_list_has_the_same_results_when_it_is_written_in_small_parts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (batch, saving):
        monkeypatch.setattr(module, "TOGETHER", 2)
    ann, bob, order, other = await house.user(100), await house.user(), escrow(), escrow()
    hold = pending(ann, order, 50)
    asked = [
        single(ann, bob, 10),
        hold,
        single(bob, other, 4),
        # A group that begins with one part and would end in the next one.
        single(ann, bob, 5, linked=True),
        single(bob, ann, 1, linked=True),
        single(bob, ann, 1000),
        # The escrow that was opened before is changed twice.
        post(hold, 30),
        single(order, FEES, 2),
        single(order, bob, 28),
        single(FEES, WORLD, 2),
        single(FEES, WORLD, 1),
        single(bob, other, 1),
    ]

    results = await house.post(*asked)
    again = await house.post(*asked)

    refused = ["LINKED_TRANSFER_REFUSED"] * 2 + ["INSUFFICIENT_FUNDS"]
    assert [one.reason for one in results] == ["", "", "", *refused, *[""] * 4, refused[-1], ""]
    assert {one.status for one in again if one.reason == ""} == {EXISTS}
    assert (await house.balance(ann)).available == 100 - 10 - 30
    assert (await house.balance(bob)).available == 10 - 4 + 28 - 1
    assert (await house.balance(ann)).reserved == 0
    told = house.rows(
        "select count(*) from ledger.outbox where marketplace_id = %s", house.marketplace
    )
    lines = house.rows(
        "select count(*) from ledger.entries where marketplace_id = %s and account like 'user:%%'",
        house.marketplace,
    )
    assert told == lines


async def test_transfers_beyond_the_waiting_limit_are_refused_at_once(house: House) -> None:
    replica = await house.replica(transfers_max=2, lanes=1, waiting_max=4)
    number = len(house.replicas) - 1

    answers = await asyncio.gather(
        *(house.post(single(WORLD, "suspense", 1), replica=number) for _ in range(40)),
        return_exceptions=True,
    )
    again = await house.post(single(WORLD, "suspense", 1), replica=number)

    refused = [answer for answer in answers if isinstance(answer, TooManyTransfers)]
    assert 0 < len(refused) < 40
    [(count,)] = house.rows(
        "select count(*) from ledger.transfers where marketplace_id = %s", house.marketplace
    )
    assert count == 41 - len(refused)
    assert again[0].status is CREATED
    await replica.batcher.close()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_transaction_that_postgresql_rolled_back_is_retried(
    own_house: House, sqlstate: str
) -> None:
    fail_once(own_house, sqlstate)

    [result] = await own_house.post(single(WORLD, "suspense", 5))

    assert result.status is CREATED
    assert own_house.rows("select last_value from ledger.tries") == [(2,)]
    await own_house.holds()


async def test_a_transaction_that_always_rolls_back_is_given_up(own_house: House) -> None:
    fail_once(own_house, "40001", times=1000)

    with pytest.raises(Unavailable):
        await own_house.post(single(WORLD, "suspense", 5))

    assert own_house.rows("select count(*) from ledger.transfers") == [(0,)]


async def test_callers_do_not_notice_dead_connections(own_house: House) -> None:
    await asyncio.gather(*(own_house.post(single(WORLD, "suspense", 1)) for _ in range(8)))
    own_house.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where usename = 'ledger' and datname = current_database()"
    )

    [result] = await own_house.post(single(WORLD, "suspense", 5))

    assert result.status is CREATED


async def test_a_lost_commit_answer_is_unavailable_and_a_retry_finds_the_transfer(
    own_house: House,
) -> None:
    asked = single(WORLD, "suspense", 5)
    async with cutting_proxy(own_house.url) as (url, is_cut):
        behind = House(url=url, owner_url=own_house.owner_url, replicas=[])
        behind.marketplace = own_house.marketplace
        replica = await behind.replica()
        with pytest.raises(Unavailable):
            await behind.post(asked)
        assert is_cut()
        await replica.close()

    [result] = await own_house.post(asked)

    assert result.status is EXISTS
    await own_house.holds()


async def test_a_locked_account_delays_only_its_own_callers(own_house: House) -> None:
    ann, bob = await own_house.user(10), await own_house.user(10)
    with psycopg.connect(own_house.owner_url) as sitting:
        sitting.execute("select from ledger.accounts where name = %s for update", (ann,))

        locked, free = await asyncio.gather(
            own_house.post(pending(ann, escrow(), 1)),
            own_house.post(pending(bob, escrow(), 1)),
            return_exceptions=True,
        )

    assert isinstance(locked, Unavailable)
    assert not isinstance(free, BaseException)
    assert free[0].status is CREATED


def fail_once(house: House, sqlstate: str, *, times: int = 1) -> None:
    """Let PostgreSQL refuse the next transfers; the sequence also counts those rolled back."""
    house.rows("create sequence ledger.tries")
    house.rows("grant all on ledger.tries to ledger")
    house.rows(
        f"""
        create function ledger.fail() returns trigger language plpgsql as $$
        begin
            if nextval('ledger.tries') <= {times} then
                raise exception 'try again' using errcode = '{sqlstate}';
            end if;
            return null;
        end $$
        """
    )
    house.rows(
        "create trigger fail before insert on ledger.transfers"
        " for each statement execute function ledger.fail()"
    )


@asynccontextmanager
async def cutting_proxy(url: str) -> AsyncIterator[tuple[str, Callable[[], bool]]]:
    """Forward to PostgreSQL; cut the first connection that commits, after its COMMIT is sent."""
    target = urlsplit(url)
    cut = asyncio.Event()
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        upstream, upstream_writer = await asyncio.open_connection(target.hostname, target.port)
        back = asyncio.create_task(_pump(upstream, writer))
        while data := await reader.read(65536):
            upstream_writer.write(data)
            if b"COMMIT" in data and not cut.is_set():
                back.cancel()
                await asyncio.wait({back})
                # PostgreSQL has committed what it has answered.
                await upstream.read(1)
                cut.set()
                break
        for end in (writer, upstream_writer):
            end.close()
            with contextlib.suppress(ConnectionError):
                await end.wait_closed()
        await asyncio.wait({back})

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield target._replace(netloc=f"{target.username}@127.0.0.1:{port}").geturl(), cut.is_set
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*served)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
