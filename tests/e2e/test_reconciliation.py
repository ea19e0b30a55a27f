"""The continuous comparison of ledger and chain reports a difference and its end."""

import asyncio
import json
from typing import Any

import pytest

from kernel.ids import from_public
from tests.e2e.test_operator_everywhere import hidden_contract
from tests.operating import operate
from tests.running_stack import RunningStack
from tests.shop import Shop, until

pytestmark = pytest.mark.slow


async def test_difference_is_found_automatically_and_cleared_when_it_is_gone(
    watched_stack: RunningStack,
) -> None:
    async def known() -> dict[str, Any]:
        done = await asyncio.to_thread(operate, watched_stack.run_dir, "reconcile", "--json")
        found: dict[str, Any] = json.loads(done.stdout)["background"]
        return found

    async def differing(count: int) -> bool:
        return bool((await known())["differing"] == count)

    async with Shop.of(watched_stack) as shop:
        order_id = await shop.order_in("IN_PROGRESS", await shop.pair(amount="100.00"))

        async def compared() -> bool:
            return bool((await known())["accounts"] == 3)

        await until(compared, what="the wallets and the contract were not compared")
        assert (await known())["differing"] == 0
        with hidden_contract(watched_stack, order_id):
            await until(lambda: differing(1), what="the difference was not found")
            said = operate(watched_stack.run_dir, "reconcile").stdout
            doctor = operate(watched_stack.run_dir, "doctor").stdout
        await until(lambda: differing(0), what="the difference was not forgotten")

    log = (watched_stack.run_dir / "logs" / "orders.log").read_text()
    [line] = [json.loads(one) for one in log.splitlines() if "reconcile.differs" in one]
    assert (line["account"], line["ledger"], line["chain"]) == (
        f"escrow:{from_public('ord', order_id)}",
        800_000_000,
        0,
    )
    assert "1 differ" in said
    assert (
        'compared   1 account with a difference; docs/runbook.md, "Ledger and chain differ"'
        in doctor
    )
