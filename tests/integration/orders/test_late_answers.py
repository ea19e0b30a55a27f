"""A withdrawal that takes longer than its key is kept: repeated after its end, it pays nothing."""

import datetime as dt

import pytest

from chassis.idempotency import Answer
from tests import passing
from tests.integration.orders.conftest import TEN, Shop
from tests.integration.orders.withdrawing import asked, state
from tests.passing import DAY, MOMENT
from tests.patience import until

LONG = DAY + dt.timedelta(hours=1)


async def withdraw(shop: Shop, wait: float = 10) -> Answer:
    return await shop.withdrawing.create(shop.ask("one", wait=wait), asked(commit=True))


@pytest.mark.parametrize("is_moved", [False, True], ids=["time passes", "the clock is moved"])
async def test_answer_that_took_longer_than_a_day_is_stored_for_a_day(
    rich: Shop, postgres_admin: str, *, is_moved: bool
) -> None:
    [account] = rich.peers.ledger.available
    rich.peers.ledger.available[account] = 10 * TEN
    rich.peers.escrow.gate.clear()
    await withdraw(rich, wait=0)
    if is_moved:
        await rich.chosen.advance(rich.key("clock"), by=LONG)
    else:
        passing.for_answers(postgres_admin, LONG, schema="orders")
    rich.peers.escrow.gate.set()

    async def is_answered() -> bool:
        return await rich.count("idempotency where key = 'one' and state = 'done'") == 1

    await until(is_answered)
    first = await withdraw(rich)
    passing.for_answers(postgres_admin, DAY - MOMENT, schema="orders")
    again = await withdraw(rich)
    assert (first.replayed, again.replayed, again.body) == (True, True, first.body)
    assert state(first) == "COMPLETED"
    assert len(rich.peers.escrow.commands) == 1

    passing.for_answers(postgres_admin, 2 * MOMENT, schema="orders")
    assert not (await withdraw(rich)).replayed
    assert len(rich.peers.escrow.commands) == 2
