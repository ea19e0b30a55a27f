"""Withdrawals whose process stops at a boundary: another one finishes them, once."""

import asyncio
from collections.abc import Callable

import pytest

from kernel.errors import FailedPrecondition
from tests.integration.orders.conftest import Shop, open_shop
from tests.integration.orders.withdrawing import (
    FIVE,
    commit,
    held_and_free,
    is_in,
    made,
    now,
    state,
    told,
)
from tests.patience import PATIENCE_SECONDS, until


@pytest.mark.parametrize("point", ["before hold", "after hold", "after pay", "after post"])
@pytest.mark.parametrize("ended", ["COMPLETED", "FAILED"])
async def test_process_that_dies_anywhere_leaves_what_another_one_finishes(
    rich: Shop, database_url: Callable[[str], str], point: str, ended: str
) -> None:
    """The first process is stopped at a boundary; its lease runs out, and another one goes on."""
    if ended == "FAILED":
        rich.peers.escrow.fails["withdraw"] = "TRUSTLINE_FULL"
    withdrawal, carrier = await made(rich), rich.carrier
    reached, never = asyncio.Event(), asyncio.Event()
    post, withdraw = carrier._ledger.post, carrier._escrow.withdraw
    calls = 0

    async def stopping_post(transfers: object) -> object:
        nonlocal calls
        calls += 1
        wanted = {"before hold": (1, True), "after hold": (1, False), "after post": (2, False)}
        number, is_before = wanted.get(point, (0, False))
        if calls == number and is_before:
            reached.set()
            await never.wait()
        answer = await post(transfers)  # type: ignore[arg-type] # passed on
        if calls == number:
            reached.set()
            await never.wait()
        return answer

    async def stopping_withdraw(**given: object) -> object:
        answer = await withdraw(**given)  # type: ignore[arg-type] # passed on
        if point == "after pay":
            reached.set()
            await never.wait()
        return answer

    class Stopping:
        """A peer that stops its process at one point."""

        def __init__(self, real: object, **changed: object) -> None:
            self._real, self._changed = real, changed

        def __getattr__(self, name: str) -> object:
            return self._changed.get(name) or getattr(self._real, name)

    carrier._ledger = Stopping(rich.peers.ledger, post=stopping_post)  # type: ignore[assignment]
    carrier._escrow = Stopping(rich.peers.escrow, withdraw=stopping_withdraw)  # type: ignore[assignment]
    answering = asyncio.create_task(commit(rich, withdrawal))
    await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)

    async with open_shop(database_url("orders"), rich.peers, rich.marketplace_id) as second:
        async with second.database.transaction() as tx:
            await tx.execute("update withdrawals set lease_until = 'epoch'")
        taking_over = asyncio.create_task(second.carrier.run())
        await until(lambda: is_in(second, withdrawal, ended))
        never.set()
        answer = await answering
        taking_over.cancel()

    assert state(answer) == ended
    assert len(rich.peers.escrow.commands) == 1
    assert held_and_free(rich) == (0, FIVE if ended == "FAILED" else 0)
    events = ["created", "pending", ended.lower()]
    assert await told(rich, withdrawal) == [(name, n + 1) for n, name in enumerate(events)]


async def test_refusal_taken_over_by_another_process_is_answered_once(
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
