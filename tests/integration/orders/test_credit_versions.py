"""A rolling update: a process of the version before carries credits out beside a new one.

The version before knows no `lease_until`. It carries every credit out that is older than 15
seconds, counts `epoch` up when it takes one over, and may fail one only under its own epoch. Its
statements are kept here as they were.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from orchestrator.orders.v1 import orders_pb2

from kernel.errors import FailedPrecondition
from kernel.ids import derived_id, new_id
from kernel.money import USDC
from services.orders.peers.ports import Command, Transfer
from tests.fakes import FakeEscrow
from tests.integration.orders.conftest import Peers, Shop, open_shop
from tests.integration.orders.test_credits import TEN, _allow, _balance, _credit
from tests.patience import until

INSERT = """
insert into credits (id, marketplace_id, user_id, user_public_id, amount, reference, description,
                     created_at, scope, key, fingerprint)
select %(id)s, %(marketplace)s, u.id, u.public_id, %(amount)s, 'bonus-1', '', now(), '', 'old', 'f'
from users u where u.marketplace_id = %(marketplace)s and u.public_id = 'usr_buyer'
returning id, user_id, epoch
"""
TAKE_OVER = """
update credits set epoch = epoch + 1 where marketplace_id = %(marketplace)s and state = 'RUNNING'
returning id, user_id, epoch
"""
FINISH = """
update credits set state = 'SUCCEEDED', transaction_hash = %(hash)s, finished_at = now()
where id = %(id)s and state = 'RUNNING'
"""
FAIL = """
update credits set state = 'FAILED', error = 'TOO_POOR', finished_at = now()
where id = %(id)s and state = 'RUNNING' and epoch = %(epoch)s
"""
RUN_OUT = "update credits set lease_until = 'epoch'"


@dataclass(kw_only=True)
class Before:
    """A process of the version before, on the same rows and with the same peers."""

    shop: Shop
    row: Any = None

    async def _one(self, statement: str) -> Any:
        values = {"marketplace": self.shop.marketplace_id, "id": new_id(), "amount": TEN}
        async with self.shop.database.transaction() as tx:
            return await tx.fetchrow(statement, values)

    async def begin(self) -> None:
        """Write a credit, as its own."""
        self.row = await self._one(INSERT)

    async def take_over(self) -> None:
        """Take over the credit that runs."""
        self.row = await self._one(TAKE_OVER)

    async def pay(self) -> Command:
        """Ask escrow for the credit, and wait for its end."""
        escrow, command_id = self.shop.peers.escrow, derived_id(self.row.id, "credit")
        await escrow.credit(command_id=command_id, user_id=self.row.user_id, amount=TEN)
        return await escrow.command(command_id=command_id, wait_seconds=20)

    async def book(self, paid: Command) -> None:
        """Book what was paid."""
        transfer = Transfer(
            id=derived_id(self.row.id, "transfer"),
            type="SINGLE",
            code="MANUAL_CREDIT",
            order_id=None,
            debit="manual",
            credit=f"user:{self.row.user_id}",
            asset=USDC,
            amount=TEN,
            transaction_hash=paid.payments[0].transaction_hash,
            reason="bonus-1",
        )
        await self.shop.peers.ledger.post([transfer])

    async def finish(self, paid: Command) -> int:
        """Record that the credit was paid; returns how many rows that changed."""
        values = {"id": self.row.id, "hash": paid.payments[0].transaction_hash}
        async with self.shop.database.transaction() as tx:
            return await tx.run(FINISH, values)

    async def fail(self) -> int:
        """Record that the credit was refused; returns how many rows that changed."""
        async with self.shop.database.transaction() as tx:
            return await tx.run(FAIL, {"id": self.row.id, "epoch": self.row.epoch})


class Gate(FakeEscrow):
    """Answers a credit when the test says so: it refuses, or passes on to the other peer."""

    def __init__(self, real: FakeEscrow, *, refuses: bool) -> None:
        super().__init__()
        self._real, self._refuses = real, refuses
        self.is_asked, self.answer = asyncio.Event(), asyncio.Event()

    async def credit(self, **given: Any) -> Command:
        self.is_asked.set()
        await self.answer.wait()
        if self._refuses:
            raise FailedPrecondition("poor", reason="TOO_POOR")
        return await self._real.credit(**given)

    async def command(self, **given: Any) -> Command:
        return await self._real.command(**given)


@pytest.fixture
async def pair(shop: Shop, postgres_admin: str) -> tuple[Shop, Before]:
    """A marketplace that allows credits, served by a new process and one of the version before."""
    await _allow(postgres_admin, shop.marketplace_id)
    await shop.user("usr_buyer")
    return shop, Before(shop=shop)


async def state(shop: Shop) -> list[str]:
    """Return the state of every credit."""
    async with shop.database.transaction() as tx:
        return [row.state for row in await tx.fetch("select state from credits order by id")]


async def paid(shop: Shop) -> None:
    """Wait until the one credit is paid, and check that it was booked once."""

    async def has_ended() -> bool:
        return await state(shop) == ["SUCCEEDED"]

    await until(has_ended)
    assert await _balance(shop) == TEN
    assert len(shop.peers.escrow.commands) == 1
    assert len(shop.peers.ledger.transfers) == 1


async def test_credit_taken_over_by_the_previous_version_is_not_failed_by_the_new_one(
    pair: tuple[Shop, Before],
) -> None:
    new, before = pair
    gate = Gate(new.peers.escrow, refuses=True)
    new.crediting._escrow = gate
    answering = asyncio.create_task(_credit(new))
    await gate.is_asked.wait()

    await before.take_over()
    gate.answer.set()
    command = await before.pay()
    await before.book(command)
    changed = await before.finish(command)
    answer = await answering

    assert changed == 1
    assert orders_pb2.Credit.FromString(answer.body).state == "SUCCEEDED"
    await paid(new)


async def test_credit_taken_over_by_the_new_version_is_not_failed_by_the_previous_one(
    pair: tuple[Shop, Before],
) -> None:
    new, before = pair
    await before.begin()
    async with new.database.transaction() as tx:
        await tx.execute(RUN_OUT)
    gate = Gate(new.peers.escrow, refuses=False)
    new.crediting._escrow = gate
    running = asyncio.create_task(new.crediting.run())
    await gate.is_asked.wait()

    assert await before.fail() == 0
    gate.answer.set()
    await paid(new)
    running.cancel()


async def test_credit_begun_by_the_previous_version_is_left_to_it(
    pair: tuple[Shop, Before],
) -> None:
    new, before = pair
    await before.begin()

    async with new.database.transaction() as tx:
        free = await tx.fetchval(
            "select count(*) from credits where lease_until < clock_timestamp() + interval '10 s'"
        )

    assert free == 0
    assert await before.fail() == 1
    assert await state(new) == ["FAILED"]


async def test_credit_executed_by_both_versions_at_once_is_booked_once(
    pair: tuple[Shop, Before],
) -> None:
    new, before = pair
    gate = Gate(new.peers.escrow, refuses=False)
    new.crediting._escrow = gate
    answering = asyncio.create_task(_credit(new))
    await gate.is_asked.wait()

    await before.take_over()
    command = await before.pay()
    gate.answer.set()
    await before.book(command)
    await before.finish(command)
    answer = await answering

    assert orders_pb2.Credit.FromString(answer.body).state == "SUCCEEDED"
    await paid(new)


async def test_credit_abandoned_by_the_previous_version_is_not_lost(
    pair: tuple[Shop, Before], database_url: Callable[[str], str]
) -> None:
    new, before = pair
    gate = Gate(new.peers.escrow, refuses=False)
    new.crediting._escrow = gate
    answering = asyncio.create_task(_credit(new))
    await gate.is_asked.wait()
    # Every lease is checked in the database, as if half of its time had passed.
    new.crediting._leases._seconds = 0
    await before.take_over()
    gate.answer.set()
    await asyncio.gather(*new.crediting._tasks)
    assert new.peers.ledger.transfers == {}

    async with open_shop(database_url("orders"), new.peers, new.marketplace_id) as next_one:
        async with new.database.transaction() as tx:
            await tx.execute(RUN_OUT)
        running = asyncio.create_task(next_one.crediting.run())
        answer = await answering
        running.cancel()

    assert orders_pb2.Credit.FromString(answer.body).state == "SUCCEEDED"
    await paid(new)


async def test_credits_of_two_new_processes_are_booked_once(
    database_url: Callable[[str], str], postgres_admin: str
) -> None:
    url, peers, marketplace_id = database_url("orders"), Peers(), new_id()
    await _allow(postgres_admin, marketplace_id)
    async with (
        open_shop(url, peers, marketplace_id) as one,
        open_shop(url, peers, marketplace_id) as two,
    ):
        await one.user("usr_buyer")

        answers = await asyncio.gather(*(_credit(shop) for shop in (one, two, one, two)))

        assert {orders_pb2.Credit.FromString(a.body).state for a in answers} == {"SUCCEEDED"}
        await paid(one)
