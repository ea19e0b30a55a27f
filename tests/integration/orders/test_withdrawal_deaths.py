"""Withdrawals whose process stops at a boundary: another one finishes them, once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from kernel.errors import FailedPrecondition
from kernel.ids import derived_id
from tests.integration.orders.conftest import Shop, open_shop
from tests.integration.orders.stopping import CALLS, COMMIT, Stop, called_in_code, stopping
from tests.integration.orders.withdrawing import (
    FIVE,
    commit,
    held_and_free,
    made,
    now,
    state,
    told,
)
from tests.patience import PATIENCE_SECONDS, until

MORE_THAN_ENOUGH = 40


def _around(name: str) -> list[str]:
    return [f"before {name}", f"after {name}"]


_POST, _PAY = _around("ledger.post"), [*_around("escrow.withdraw"), *_around("escrow.command")]
# What a withdrawal passes, from its commit to each of its ends.
BOUNDARIES = {
    "PAID": [COMMIT, *_POST, COMMIT, *_PAY, *_POST, COMMIT],
    "OPENED": [
        COMMIT,
        *_POST,
        *_around("ledger.open_account"),
        *_POST,
        COMMIT,
        *_PAY,
        *_POST,
        COMMIT,
    ],
    "FAILED": [COMMIT, *_POST, COMMIT, *_PAY, *_POST, COMMIT],
    "REFUSED": [COMMIT, *_POST, COMMIT, *_POST, COMMIT],
}


@pytest.fixture
async def heir(rich: Shop, database_url: Callable[[str], str]) -> AsyncIterator[Shop]:
    """A second process, which carries nothing out until it is told to."""
    async with open_shop(database_url("orders"), rich.peers, rich.marketplace_id) as second:
        yield second


def prepared(shop: Shop, ending: str) -> int:
    """Let a withdrawal of 5.00 end in a way; returns what the user has available."""
    [account] = shop.peers.ledger.available
    shop.peers.ledger.available[account] = 0 if ending == "REFUSED" else FIVE
    shop.peers.escrow.fails["withdraw"] = "TRUSTLINE_FULL" if ending == "FAILED" else ""
    if ending == "OPENED":
        shop.peers.ledger.unopened.add(account)
    return shop.peers.ledger.available[account]


async def taken_over(heir: Shop, withdrawal: uuid.UUID) -> None:
    """Let the lease run out, and another process do what is left."""
    async with heir.database.transaction() as tx:
        await tx.execute("update withdrawals set lease_until = 'epoch' where in_progress")
    running = asyncio.create_task(heir.carrier.run())

    async def is_over() -> bool:
        found = await heir.withdrawing.get(
            marketplace_id=heir.marketplace_id, withdrawal_id=withdrawal, user_id=None
        )
        return not found.in_progress

    await until(is_over)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def assert_ended(shop: Shop, withdrawal: uuid.UUID, key: str, *, ending: str) -> None:
    """Check that a withdrawal has ended once in a way: state, books, payments, events, answer."""
    expected, names = {
        "PAID": ("COMPLETED", ["created", "pending", "completed"]),
        "OPENED": ("COMPLETED", ["created", "pending", "completed"]),
        "FAILED": ("FAILED", ["created", "pending", "failed"]),
        "REFUSED": ("CREATED", ["created"]),
    }[ending]
    assert await now(shop, withdrawal) == expected
    assert await told(shop, withdrawal) == [(name, n + 1) for n, name in enumerate(names)]
    paid = derived_id(withdrawal, "pay")
    assert (paid in shop.peers.escrow.commands) is (ending != "REFUSED")
    assert held_and_free(shop) == (0, FIVE if ending == "FAILED" else 0)
    if ending == "REFUSED":
        with pytest.raises(FailedPrecondition, match="available balance"):
            await commit(shop, withdrawal, key=key)
    else:
        assert state(await commit(shop, withdrawal, key=key)) == expected


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "paused"])
@pytest.mark.parametrize("ending", ["PAID", "OPENED", "FAILED", "REFUSED"])
async def test_withdrawal_stopped_at_any_boundary_is_finished_by_another_process(
    rich: Shop, heir: Shop, ending: str, *, is_killed: bool
) -> None:
    """A paused process wakes up when the other one has finished, and changes nothing then."""
    for number in range(1, MORE_THAN_ENOUGH):
        prepared(rich, ending)
        withdrawal, before = await made(rich), len(rich.peers.escrow.commands)
        stop = Stop(at=number, is_killed=is_killed)
        async with stopping(rich.carrier, stop):
            answering = asyncio.create_task(commit(rich, withdrawal, key=f"key {number}"))
            reached = asyncio.create_task(stop.reached.wait())
            await asyncio.wait({answering, reached}, return_when=asyncio.FIRST_COMPLETED)
            if stop.reached.is_set():
                await taken_over(heir, withdrawal)
            stop.wake.set()
            reached.cancel()
            await asyncio.gather(answering, *rich.carrier._tasks, return_exceptions=True)

        await assert_ended(rich, withdrawal, f"key {number}", ending=ending)
        assert len(rich.peers.escrow.commands) == before + (ending != "REFUSED")
        if not stop.reached.is_set():
            assert stop.passed == BOUNDARIES[ending]
            return
        assert stop.passed[:number] == BOUNDARIES[ending][:number]
    raise AssertionError(f"a withdrawal passes more than {MORE_THAN_ENOUGH} boundaries")


def test_boundaries_cover_every_call_of_a_withdrawal() -> None:
    assert called_in_code() == CALLS
    passed = {name for names in BOUNDARIES.values() for name in names}
    assert passed == {COMMIT, *(f"{when} {name}" for name in CALLS for when in ("before", "after"))}


async def test_refusal_of_a_taken_over_withdrawal_is_answered_once(
    rich: Shop, database_url: Callable[[str], str]
) -> None:
    withdrawal, carrier = await made(rich), rich.carrier
    [account] = rich.peers.ledger.available
    rich.peers.ledger.available[account] = 0
    reached, never = asyncio.Event(), asyncio.Event()
    give_up = carrier._give_up

    async def stopping(*given: object) -> None:
        reached.set()
        await never.wait()
        await give_up(*given)  # type: ignore[arg-type] # passed on

    carrier._give_up = stopping  # type: ignore[assignment, method-assign]
    answering = asyncio.create_task(commit(rich, withdrawal, key="one"))
    await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
    # The money is there now: the commit was refused all the same.
    rich.peers.ledger.available[account] = FIVE

    async with open_shop(database_url("orders"), rich.peers, rich.marketplace_id) as second:
        async with second.database.transaction() as tx:
            await tx.execute("update withdrawals set lease_until = 'epoch'")
        taking_over = asyncio.create_task(second.carrier.run())
        with pytest.raises(FailedPrecondition, match="available balance"):
            await answering
        never.set()
        taking_over.cancel()

    assert await now(rich, withdrawal) == "CREATED"
    assert held_and_free(rich) == (0, FIVE)
    with pytest.raises(FailedPrecondition, match="available balance"):
        await commit(rich, withdrawal, key="one")
    assert state(await commit(rich, withdrawal, key="two")) == "COMPLETED"
