"""The comparison that goes on all the time, on a real database: pages, doubts, rounds."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
import pytest

from chassis.database import Database
from kernel.errors import Unavailable
from services.orders.reconciliation.difference_store import DifferenceStore
from services.orders.reconciliation.holdings import Holding
from services.orders.reconciliation.reconciler import LOOKS_MAX, Reconciler
from tests.patience import until

SHOPS = [uuid.UUID(int=number) for number in (1, 2)]
ADD_USER = """
insert into orders.users (marketplace_id, id, public_id, external_user_id, type, created_at)
values (%s, gen_random_uuid(), 'usr_x', 'x', 'BUYER', now())
"""


@dataclass
class Sides:
    """Ledger and escrow: balances by account, holdings by page token, in minor units."""

    books: dict[str, int] = field(default_factory=dict)
    pages: dict[str, tuple[Sequence[Holding], str]] = field(default_factory=dict)
    locks: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] | None = field(default_factory=dict)
    contracts: set[str] = field(default_factory=set)
    is_away: bool = False
    calls: list[str] = field(default_factory=list)

    async def balances(self, accounts: Collection[str]) -> Mapping[str, int]:
        self.calls.append("balances")
        return {name: self.books[name] for name in accounts if name in self.books}

    async def locked(self, *, page_token: str) -> tuple[Mapping[str, int], str]:
        self.calls.append(f"locked {page_token}")
        return self.locks, ""

    async def in_suspense(self) -> Mapping[str, int] | None:
        self.calls.append("in_suspense")
        return self.waiting

    async def holdings(self, *, page_token: str) -> tuple[Sequence[Holding], str]:
        self.calls.append(f"holdings {page_token}")
        if self.is_away:
            raise Unavailable("the node is unavailable")
        return self.pages.get(page_token, ([], ""))

    async def has_contract(self, order_id: str) -> bool:
        self.calls.append(f"contract {order_id}")
        return order_id in self.contracts


@pytest.fixture
def sides() -> Sides:
    return Sides()


@pytest.fixture
async def books(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    with psycopg.connect(database_url("postgres")) as connection:
        for shop in SHOPS:
            connection.execute(ADD_USER, (shop,))
    opened = Database.open(url=database_url("orders"), schema="orders", pool_size=4, beside=1)
    yield opened
    await opened.close()


@pytest.fixture
def reconciler(books: Database, sides: Sides) -> Reconciler:
    return comparing(books, sides)


def comparing(database: Database, sides: Sides, *, confirmed_seconds: int = 0) -> Reconciler:
    return Reconciler(
        database=database,
        store=DifferenceStore(confirmed_seconds=confirmed_seconds),
        ledger=sides,
        escrow=sides,
        every_seconds=0.01,
    )


def wallet(number: int, chain: int) -> Holding:
    return Holding(account=f"user:{number}", chain=chain)


async def round_of(reconciler: Reconciler) -> int:
    """Step until a round has ended; returns in how many steps."""
    before = (await reconciler.found(marketplace_id=SHOPS[0]))[0].round_finished_at
    for step in range(1, 100):
        await reconciler.step()
        assert reconciler.last is not None
        if reconciler.last.round_finished_at != before:
            return step
    raise AssertionError("no round has ended")


async def test_a_round_goes_over_every_page_of_every_marketplace(
    reconciler: Reconciler, sides: Sides
) -> None:
    sides.pages = {"": ([wallet(1, 5)], "2"), "2": ([wallet(2, 7)], "")}
    sides.books = {"user:1": 5, "user:2": 7}

    steps = await round_of(reconciler)

    assert steps == 6
    assert sides.calls == ["holdings ", "balances", "holdings 2", "balances", "locked "] * 2
    assert reconciler.last is not None
    assert (reconciler.last.round_accounts, reconciler.last.differing) == (4, 0)


async def test_difference_is_confirmed_when_its_balances_stay_the_same(
    books: Database, sides: Sides
) -> None:
    reconciler = comparing(books, sides, confirmed_seconds=3600)
    sides.pages = {"": ([wallet(1, 5)], "")}
    sides.books = {"user:1": 4}

    for _ in range(LOOKS_MAX):
        await reconciler.step()
    doubted = await reconciler.found(marketplace_id=SHOPS[0])
    reconciler.store = DifferenceStore(confirmed_seconds=0)
    confirmed = await reconciler.found(marketplace_id=SHOPS[0])

    # The same page each time: it goes on only when nothing is in doubt, or it has looked enough.
    assert [call for call in sides.calls if call.startswith("holdings")] == [
        "holdings "
    ] * LOOKS_MAX
    assert (doubted[0].differing, doubted[1]) == (0, [])
    assert [(one.account, one.ledger, one.chain) for one in confirmed[1]] == [("user:1", 4, 5)]
    await reconciler.step()
    assert sides.calls[-1] == "locked "


async def test_difference_with_changed_balances_is_confirmed_anew(
    reconciler: Reconciler, sides: Sides
) -> None:
    sides.pages = {"": ([wallet(1, 5)], "")}
    sides.books = {"user:1": 4}
    await round_of(reconciler)
    _, [first] = await reconciler.found(marketplace_id=SHOPS[0])
    sides.books = {"user:1": 3}
    await round_of(reconciler)
    _, [second] = await reconciler.found(marketplace_id=SHOPS[0])
    assert (second.ledger, second.since > first.since) == (3, True)

    sides.books = {"user:1": 5}
    await round_of(reconciler)

    assert (await reconciler.found(marketplace_id=SHOPS[0]))[1] == []
    assert reconciler.last is not None
    assert reconciler.last.differing == 0


async def test_difference_of_a_removed_account_is_dropped_after_a_round(
    reconciler: Reconciler, sides: Sides
) -> None:
    sides.pages = {"": ([wallet(1, 5)], "")}
    await round_of(reconciler)
    assert (await reconciler.found(marketplace_id=SHOPS[1]))[0].differing == 2

    sides.pages = {}
    await round_of(reconciler)

    assert (await reconciler.found(marketplace_id=SHOPS[1]))[0].differing == 0


async def test_money_in_suspense_is_added_to_the_wallet_that_received_it(
    reconciler: Reconciler, sides: Sides
) -> None:
    sides.pages = {"": ([wallet(1, 5), Holding(account="escrow:1", chain=3)], "")}
    sides.books, sides.waiting = {"user:1": 4}, {"user:1": 1}

    await round_of(reconciler)
    told = await reconciler.found(marketplace_id=SHOPS[0])
    sides.waiting = None
    await round_of(reconciler)
    untold = await reconciler.found(marketplace_id=SHOPS[0])

    for _, found in (told, untold):
        assert [one.account for one in found] == ["escrow:1"]


async def test_money_locked_for_a_missing_contract_is_a_difference(
    reconciler: Reconciler, sides: Sides
) -> None:
    sides.locks, sides.contracts = {"escrow:1": 8, "escrow:2": 9}, {"2"}

    await round_of(reconciler)

    _, found = await reconciler.found(marketplace_id=SHOPS[0])
    assert [(one.account, one.ledger, one.chain) for one in found] == [("escrow:1", 8, 0)]


async def test_a_page_that_failed_is_compared_again(reconciler: Reconciler, sides: Sides) -> None:
    sides.is_away = True
    await reconciler.step()
    await reconciler.step()
    sides.is_away = False

    steps = await round_of(reconciler)

    assert steps == 4
    assert sides.calls[:2] == ["holdings ", "holdings "]


async def test_one_process_compares_and_another_takes_over(books: Database, sides: Sides) -> None:
    first, second = comparing(books, sides), comparing(books, sides)
    leading = asyncio.create_task(first.run())
    await until(lambda: knows(first))
    following = asyncio.create_task(second.run())
    calls = len(sides.calls)
    await until(lambda: more_than(sides, calls + 10))
    assert second.last is None

    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)
    await until(lambda: knows(second))

    assert first.last is None
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def knows(reconciler: Reconciler) -> bool:
    return reconciler.last is not None


async def more_than(sides: Sides, calls: int) -> bool:
    return len(sides.calls) > calls


async def test_a_deployment_without_users_finishes_its_round(
    database_url: Callable[[str], str], sides: Sides
) -> None:
    opened = Database.open(url=database_url("orders"), schema="orders", pool_size=4, beside=1)
    try:
        reconciler = comparing(opened, sides)
        await reconciler.step()
        assert reconciler.last is not None
        assert (reconciler.last.looked_at is not None, reconciler.last.round_accounts) == (True, 0)
        assert sides.calls == []
    finally:
        await opened.close()
