"""Statements of concurrent callers share a commit, and each caller gets the row of their own."""

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg
import pytest
import structlog

from chassis.arrays import Columns
from chassis.database import Connection, Database
from chassis.grouped import Form, Grouped, Statement
from deploy.local.ports import free_port
from kernel.errors import Unavailable
from tests.integration.chassis.conftest import Shop
from tests.patience import PATIENCE_SECONDS, until

COLUMNS = Columns("asked", id="integer", value="integer", place="integer")
ASKED = f"with asked as (select {COLUMNS.names} from {COLUMNS.unnested})"  # noqa: S608 - constants
LOCKED = f"""{ASKED}, locked as (
    select asked.* from asked join things using (id) order by place for update of things
)"""  # noqa: S608 - constants
COMMITS = "select count(distinct xmin::text) from things where id >= 10"
WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
Thing = tuple[int, int]
Said = Callable[[str, list[int]], object]


def form(
    one: str,
    several: str,
    *,
    said: Said = lambda *_: None,
    tells: bool = False,
    waits: bool = True,
) -> Form[Thing]:
    """Make a form of two statements. A row is a thing's id and a value. tells: it writes events.

    said: told of each statement, and of the things that it is for.
    """

    def alone(row: Thing, connection: Connection) -> Statement:
        said(one, [row[0]])
        connection.has_told |= tells
        return one, {"id": row[0], "value": row[1]}

    def together(rows: Sequence[Thing], connection: Connection) -> Statement:
        said(several, [row[0] for row in rows])
        connection.has_told |= tells
        return several, COLUMNS.values((*row, place) for place, row in enumerate(rows))

    return Form(one=alone, several=together, own=lambda row: row[:1], waits=waits)


ADD = form(
    "insert into things (id, value) values (%(id)s, %(value)s) returning id, value",
    f"""{ASKED}, added as (
        insert into things (id, value) select id, value from asked returning id, value
    )
    select added.id, added.value, place from added join asked using (id)
    """,  # noqa: S608 - constants
)
RAISE_ONE = "update things set value = value + 1 where id = %(id)s returning id, value"
RAISE_SEVERAL = f"""{LOCKED}
update things set value = things.value + 1 from locked where things.id = locked.id
returning things.id, things.value, place
"""  # noqa: S608 - constants
RAISE = form(RAISE_ONE, RAISE_SEVERAL)
DIVIDE = form(
    "update things set value = 10 / %(value)s::int where id = %(id)s returning id, value",
    f"""{LOCKED}
    update things set value = 10 / locked.value from locked where things.id = locked.id
    returning things.id, things.value, place
    """,  # noqa: S608 - constants
)


@pytest.fixture
async def grouped(shop: Shop) -> Grouped:
    """Groups on the shop's database."""
    return Grouped(shop.database, name="things")


async def ask(grouped: Grouped, asked: Form[Thing], id_: int, value: int = 0) -> Thing | None:
    """Execute a statement on a thing; returns its id and its value."""
    row = await grouped.fetchrow(asked, (id_, value), locks=UUID(int=id_))
    return None if row is None else (row.id, row.value)


async def all_of(*asked: object) -> list[object]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*asked, return_exceptions=True)  # type: ignore[call-overload,no-any-return]


async def test_each_gets_its_row_and_all_share_a_commit(shop: Shop, grouped: Grouped) -> None:
    for turn in range(4):  # the statement is prepared at the third
        first = 10 + 10 * turn
        rows = await all_of(*(ask(grouped, ADD, first + n, n) for n in reversed(range(10))))

        assert rows == [(first + n, n) for n in reversed(range(10))]
        assert shop.rows(COMMITS) == [(turn + 1,)]


async def test_a_statement_that_finds_nothing_has_no_row(grouped: Grouped) -> None:
    missing, found = await all_of(ask(grouped, RAISE, 99), ask(grouped, RAISE, 1))

    assert missing is None
    assert found == (1, 1)
    assert await ask(grouped, RAISE, 99) is None


async def test_one_that_fails_does_not_undo_the_others(shop: Shop, grouped: Grouped) -> None:
    with structlog.testing.capture_logs() as logs:
        one, taken, zero, other = await all_of(
            ask(grouped, ADD, 10),
            ask(grouped, ADD, 1),
            ask(grouped, DIVIDE, 2, 0),
            ask(grouped, ADD, 11),
        )

    assert (one, other) == ((10, 0), (11, 0))
    assert isinstance(taken, psycopg.errors.UniqueViolation)
    assert isinstance(zero, psycopg.errors.DivisionByZero)
    assert shop.rows("select id, value from things order by id") == [
        (1, 0),
        (2, 0),
        (10, 0),
        (11, 0),
    ]
    assert [line["event"] for line in logs] == ["gathering.split"]


async def test_callers_of_one_form_share_a_statement_in_the_order_of_their_rows(
    grouped: Grouped,
) -> None:
    said: list[tuple[str, list[int]]] = []

    def named(name: str, *, waits: bool = True) -> Form[Thing]:
        return form(
            RAISE_ONE, RAISE_SEVERAL, waits=waits, said=lambda _, ids: said.append((name, ids))
        )

    raising, last = named("waits"), named("does not wait", waits=False)

    await ask(grouped, raising, 2)
    await all_of(ask(grouped, raising, 2), ask(grouped, last, 1))
    await all_of(*(ask(grouped, last, id_) for id_ in (2, 1)), ask(grouped, raising, 3))

    assert said == [
        ("waits", [2]),
        ("does not wait", [1]),
        ("waits", [2]),
        ("waits", [3]),
        ("does not wait", [1, 2]),
    ]


@pytest.mark.parametrize("callers", [1, 2])
async def test_a_statement_for_one_caller_has_the_form_for_one(
    grouped: Grouped, callers: int
) -> None:
    said: list[str] = []
    forms = [form(RAISE_ONE, RAISE_SEVERAL, said=lambda text, _: said.append(text))] * 2
    forms[1] = form(RAISE_ONE, RAISE_SEVERAL, said=lambda text, _: said.append(text))

    await all_of(*(ask(grouped, one, 1) for one in forms[:callers]))

    assert said == [RAISE_ONE] * callers


async def test_two_callers_on_one_row_are_in_two_statements(grouped: Grouped) -> None:
    rows = await all_of(*(ask(grouped, RAISE, id_) for id_ in (2, 1, 2, 2)))

    assert rows == [(2, 1), (1, 1), (2, 2), (2, 3)]


async def test_rows_of_a_statement_are_locked_in_their_order(shop: Shop, grouped: Grouped) -> None:
    async def waits() -> bool:
        return shop.rows(WAITING) == [(1,)]

    with psycopg.connect(shop.url, options="-c search_path=shop") as holder:
        holder.execute("select from things where id = 1 for update")
        asked = asyncio.create_task(all_of(*(ask(grouped, RAISE, id_) for id_ in (2, 1))))
        await until(waits)
        # It waits for the first row and has not locked the second.
        holder.execute("select from things where id = 2 for update nowait")
        holder.rollback()
        assert await asked == [(2, 1), (1, 1)]


async def test_two_processes_that_lock_the_same_rows_do_not_wait_for_each_other(
    shop: Shop, grouped: Grouped
) -> None:
    shop.run("insert into things select n, 0 from generate_series(10, 39) n")
    other = Database.open(url=shop.url, schema="shop")
    theirs = Grouped(other, name="theirs")

    with structlog.testing.capture_logs() as logs:
        for _ in range(5):
            await all_of(
                *(ask(grouped, RAISE, n) for n in range(10, 40)),
                *(ask(theirs, RAISE, n) for n in reversed(range(10, 40))),
            )
    await other.close()

    assert shop.rows("select distinct value from things where id >= 10") == [(10,)]
    assert logs == []


async def test_a_row_that_is_locked_delays_only_its_own_statement(
    shop: Shop, grouped: Grouped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.gathering.STUCK_SECONDS", -1.0)
    with psycopg.connect(shop.url, options="-c search_path=shop") as holder:
        holder.execute("select from things where id = 1 for update")
        locked = asyncio.create_task(ask(grouped, RAISE, 1))
        await asyncio.sleep(0)
        free = asyncio.create_task(ask(grouped, RAISE, 2))

        assert await asyncio.wait_for(free, PATIENCE_SECONDS) == (2, 1)
        holder.rollback()
        assert await asyncio.wait_for(locked, PATIENCE_SECONDS) == (1, 1)


async def test_a_row_that_stays_locked_does_not_fail_the_rest_of_its_group(
    shop: Shop, grouped: Grouped
) -> None:
    with psycopg.connect(shop.url, options="-c search_path=shop") as holder:
        holder.execute("select from things where id = 1 for update")
        locked, free = (asyncio.create_task(ask(grouped, RAISE, id_)) for id_ in (1, 2))

        # The group ends when the lock's time limit is over. Each statement is then alone.
        assert await asyncio.wait_for(free, PATIENCE_SECONDS) == (2, 1)
        assert not locked.done()
        holder.rollback()
        assert await asyncio.wait_for(locked, PATIENCE_SECONDS) == (1, 1)


@pytest.mark.parametrize("tells", [False, True])
async def test_events_wake_the_relay(shop: Shop, grouped: Grouped, *, tells: bool) -> None:
    shop.database.told.clear()

    raising = form(RAISE_ONE, RAISE_SEVERAL, tells=tells)

    await all_of(ask(grouped, RAISE, 1), ask(grouped, raising, 2))

    assert shop.database.told.is_set() is tells


async def test_without_a_database_each_caller_is_told() -> None:
    away = Database.open(url=f"postgresql://nobody@127.0.0.1:{free_port()}/none", schema="shop")
    grouped = Grouped(away, name="things")

    with structlog.testing.capture_logs() as logs:
        answers = await all_of(*(ask(grouped, RAISE, n) for n in range(3)))
    await away.close()

    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert "gathering.split" not in [line["event"] for line in logs]
