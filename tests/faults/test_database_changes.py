"""PostgreSQL changes or ends sessions while orders run: requests get 503 at worst.

Sessions end because they are idle, tables get a column, every connection is killed, and the server
is read-only for ten seconds. Afterwards the books are sound.
"""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import httpx
import psycopg
import pytest
from psycopg import sql

from tests.books import Books, assert_sound, operator_of
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack
from tests.shop import COMMANDS, Pair, Shop, data_of, error_of

pytestmark = pytest.mark.slow

# A recovery may take so long, and as much longer as so many rounds of the same requests take on
# this machine while nothing is wrong.
RECOVERY_SECONDS = 5
RECOVERY_ROUNDS = 10
ROUNDS_MEASURED = 5
READ_ONLY_SECONDS = 10
KILLS = 5
BUYERS, READERS = 3, 2
MONEY, PRICE = "10000.00", 80
KINDS = ("release", "cancel")
NOBODY = {"externalUserId": "somebody who is never registered"}
READS = ("/orders", "/disputes", "/users", "/me")
# What a client may be told of a request that it then repeats with its key.
AGAIN = frozenset({"PROVIDER_UNAVAILABLE", "IDEMPOTENCY_KEY_IN_PROGRESS", "INVALID_STATE"})
TABLES = """
select schemaname, tablename from pg_tables
where schemaname not in ('pg_catalog', 'information_schema')
"""
END_ALL = """
select pg_terminate_backend(pid) from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
"""


@dataclass
class Load:
    """Clients that buy, cancel and read until they are stopped; and the responses they got."""

    shop: Shop
    title: str = field(default_factory=lambda: f"Load {uuid.uuid4().hex[:8]}")
    is_over: bool = False
    answers: Counter[str] = field(default_factory=Counter)
    made: int = 0
    released: Counter[str] = field(default_factory=Counter)
    pairs: list[Pair] = field(default_factory=list)
    rounds: Counter[str] = field(default_factory=Counter)

    async def post(self, path: str, body: object = None) -> httpx.Response:
        """Repeat the request with one key until it is accepted."""
        key = str(uuid.uuid4())
        while True:
            answer = await self.shop.post(path, body, key=key)  # type: ignore[arg-type] # as given
            self.note(answer)
            if answer.is_success:
                return answer
            assert answer.json()["error"]["code"] in AGAIN, f"{path}: {answer.text}"

    def note(self, answer: httpx.Response) -> None:
        """Count an answer; a fault other than 503 ends the test at once."""
        self.answers[str(answer.status_code)] += 1
        is_fault = answer.status_code >= 500 and answer.status_code != 503
        assert not is_fault, f"{answer.request.method} {answer.request.url}: {answer.text}"

    async def buy(self, pair: Pair) -> None:
        """Complete an order and cancel another, alternately."""
        for commands in itertools.cycle(
            (("reserve", "escrow", "fund", "release"), ("reserve", "cancel"))
        ):
            if self.is_over:
                return
            body = {
                "buyerId": pair.buyer,
                "sellerId": pair.seller,
                "amount": f"{PRICE}.00",
                "title": self.title,
            }
            order_id = str(data_of(await self.post("/orders", body))["id"])
            self.made += 1
            for command in commands:
                path, given = COMMANDS[command]
                await self.post(f"/orders/{order_id}/{path}", given)
                await self.quiet(order_id)
            self.rounds[commands[-1]] += 1
            if commands[-1] == "release":
                self.released[pair.seller] += PRICE

    async def quiet(self, order_id: str) -> None:
        """Wait until no operation is running on an order."""
        while True:
            answer = await self.shop.client.get(f"/orders/{order_id}")
            self.note(answer)
            if answer.is_success and answer.json()["data"]["operation"] is None:
                return
            await asyncio.sleep(0.05)

    async def read(self) -> None:
        """Read lists until the end."""
        for path in itertools.cycle(READS):
            if self.is_over:
                return
            self.note(await self.shop.client.get(path))
            # Pauses, in which connections are idle.
            await asyncio.sleep(0.05)

    async def goes_on(self) -> None:
        """Wait until every kind of round has finished once more."""
        before = dict(self.rounds)
        while any(self.rounds[kind] <= before.get(kind, 0) for kind in KINDS):  # noqa: ASYNC110 - asks the count
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def loaded(shop: Shop) -> AsyncIterator[Load]:
    """Run the load for the block; its first error fails the test."""
    load = Load(shop)
    load.pairs = await asyncio.gather(*(shop.pair(amount=MONEY) for _ in range(BUYERS)))
    async with asyncio.TaskGroup() as clients:
        for pair in load.pairs:
            clients.create_task(load.buy(pair))
        for _ in range(READERS):
            clients.create_task(load.read())
        try:
            yield load
        finally:
            load.is_over = True


class Server:
    """The database server, as its administrator."""

    def __init__(self, url: str) -> None:
        options = "-c default_transaction_read_only=off -c idle_session_timeout=0"
        self._connection = psycopg.connect(url, autocommit=True, options=options)

    def run(self, statement: str, *names: str) -> list[tuple[str, ...]]:
        """Execute a statement with the given identifiers; returns its rows."""
        named = sql.SQL(statement).format(*map(sql.Identifier, names))
        cursor = self._connection.execute(named)
        return cursor.fetchall() if cursor.description else []

    def set(self, name: str, value: str) -> None:
        """Give every session a setting."""
        self.run(f"alter system set {{}} = '{value}'", name)
        self.run("select pg_reload_conf()")

    def reset(self, *names: str) -> None:
        """Reset settings."""
        for name in names:
            self.run("alter system reset {}", name)
        self.run("select pg_reload_conf()")

    def close(self) -> None:
        """End the administrator's own session."""
        self._connection.close()

    def tables(self) -> Sequence[tuple[str, ...]]:
        """List every table of ours: schema and name."""
        return self.run(TABLES)


@pytest.fixture
def server(stack: RunningStack) -> Iterator[Server]:
    """The stack's database server; its settings are restored after the test."""
    opened = Server(str(stack.document["databaseUrl"]))
    opened.run("set lock_timeout = '4s'")
    yield opened
    opened.reset("default_transaction_read_only", "idle_session_timeout")
    for table in opened.tables():
        opened.run("alter table {}.{} drop column if exists {}", *table, "added_by_a_test")
    opened.close()


async def test_orders_continue_after_database_sessions_change_or_end(
    stack: RunningStack, server: Server
) -> None:
    async with Shop.of(stack) as shop, operator_of(stack) as operator:
        async with loaded(shop) as load:
            await load.goes_on()
            allowed = RECOVERY_SECONDS + RECOVERY_ROUNDS * await usual_seconds(shop, load)

            server.set("idle_session_timeout", "2s")
            for table in server.tables():
                server.run("alter table {}.{} add column {} text", *table, "added_by_a_test")
            await load.goes_on()

            for _ in range(KILLS):
                server.run(END_ALL)
                await recovered(shop, load, seconds=allowed)

            server.set("default_transaction_read_only", "on")
            await until_ready(shop, ready=False)
            refused = error_of(await shop.post("/users", NOBODY), status=503)
            assert refused["code"] == "PROVIDER_UNAVAILABLE"
            await asyncio.sleep(READ_ONLY_SECONDS)  # a server that is promoted takes its time
            server.set("default_transaction_read_only", "off")
            await recovered(shop, load, seconds=allowed)
            await load.goes_on()

        assert Books(stack).orders_titled(load.title) == load.made
        for pair in load.pairs:
            sold = load.released[pair.seller]
            assert await shop.balance(pair.seller) == (f"{sold}.00", "0.00")
            assert await shop.balance(pair.buyer) == (f"{10_000 - sold}.00", "0.00")
        await assert_sound(operator)


async def usual_seconds(shop: Shop, load: Load) -> float:
    """Measure the usual duration of the requests that prove a recovery."""
    slowest = 0.0
    for _ in range(ROUNDS_MEASURED):
        began = time.monotonic()
        await recovered(shop, load, seconds=PATIENCE_SECONDS)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


async def recovered(shop: Shop, load: Load, *, seconds: float) -> None:
    """Check that the stack is ready and accepts changes in time."""
    async with asyncio.timeout(seconds):
        await until_ready(shop, ready=True)
        user = await first_success(
            lambda: shop.post("/users", {"externalUserId": f"usr_{uuid.uuid4().hex}"}), load
        )
    assert user.status_code == 201


async def first_success(ask: Callable[[], Awaitable[httpx.Response]], load: Load) -> httpx.Response:
    while True:
        answer = await ask()
        load.note(answer)
        if answer.is_success:
            return answer


async def until_ready(shop: Shop, *, ready: bool) -> None:
    """Wait until the gateway reports that every part can serve, or that one cannot."""
    while (await shop.client.get("/health/detailed")).is_success is not ready:  # noqa: ASYNC110 - asks the stack
        await asyncio.sleep(0.05)
