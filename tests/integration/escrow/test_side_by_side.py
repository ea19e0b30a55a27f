"""The two marks of a milestone are sent concurrently, which saves a release one ledger."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chassis.leases import Lease
from kernel.ids import to_public
from services.escrow.contracts.steps import Step
from services.escrow.domain import CommandKind
from services.escrow.sending.channels import Channels, Slot
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.test_setbacks import function_of, replaced
from tests.integration.escrow.world import AMOUNT, Order, World
from tests.patience import PATIENCE_SECONDS

MARKS = {"change_milestone_status", "approve_milestone"}


async def release(world: World, order: Order) -> list[str]:
    """Release an order; returns the functions of the envelopes that were sent, in order."""
    real, sent = world.house.chain.submit, []

    async def submit(envelope_xdr: str) -> Any:
        sent.append(function_of(world, envelope_xdr))
        return await real(envelope_xdr)

    async with replaced(world.house.chain, "submit", submit):
        await world.do(CommandKind.RELEASE, order)
    assert await world.balance(order.seller.address) == AMOUNT
    return sent


async def test_both_marks_are_sent_before_either_has_landed(world: World) -> None:
    order = await world.funded()
    real, both = world.house.chain.submit, asyncio.Barrier(2)

    async def together(envelope_xdr: str) -> Any:
        if function_of(world, envelope_xdr) in MARKS:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await both.wait()
        return await real(envelope_xdr)

    async with replaced(world.house.chain, "submit", together):
        await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT
    told = [name for _, name in await world.events(to_public("esc", order.escrow_id))]
    assert told.count("escrow.milestone_completed") == 1
    assert told[-2:] == ["escrow.milestone_completed", "escrow.released"]


async def test_the_payout_inherits_the_channel_account_of_a_mark(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, real, waiting = await world.funded(), Channels.lease, list[str]()

    async def lease(own: Channels, held: Lease, step: Step, *, since: dt.datetime) -> Slot:
        if step.source is None:
            waiting.append(step.name.value)
        return await real(own, held, step, since=since)

    monkeypatch.setattr(Channels, "lease", lease)

    sent = await release(world, order)

    assert sorted(sent[:2]) == sorted(MARKS)
    assert waiting == []


async def test_failed_mark_is_resent_before_the_payout(world: World) -> None:
    for function in sorted(MARKS):
        order = await world.funded()
        await world.fault(kind="fail_at_apply", function=function, count=1)

        sent = await release(world, order)

        assert sent.count(function) == 2
        assert sent.index("release_funds") > max(
            place for place, name in enumerate(sent) if name in MARKS
        )


async def test_marks_are_sent_one_after_the_other_with_one_channel_account(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    async with running(make_database(), devnet, tmp_path, channel_accounts=1) as narrow:
        sent = await release(narrow, await narrow.funded())

    assert sent[:3] == ["change_milestone_status", "approve_milestone", "release_funds"]
