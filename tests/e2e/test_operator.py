"""The operator's commands on a running stack: `make reconcile` and `make requeue`."""

import asyncio
import json
import re
import subprocess
import urllib.request
import uuid
from pathlib import Path

from deploy.local.demo.purchase import Purchase, wait_for
from deploy.local.devnet import network_info
from tests.integration.escrow.strangers import Stranger
from tests.operating import operate
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack, new_purchase

FAILURES = 5


def run(run_dir: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return operate(run_dir, name, *arguments)


def fail_at_apply(devnet_url: str, function: str, *, count: int = FAILURES) -> None:
    """Let calls of a contract function fail on the ledger."""
    body = {"kind": "fail_at_apply", "function": function, "count": count}
    request = urllib.request.Request(  # noqa: S310 - the devnet's own address
        f"{devnet_url}/faults",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):  # noqa: S310 - the same
        pass


async def in_progress(purchase: Purchase) -> None:
    await purchase.register()
    await purchase.deposit()
    await purchase.create()
    await purchase.reserve()
    await purchase.create_escrow()
    assert await purchase.fund() == "IN_PROGRESS"


async def test_waiting_command_is_listed_and_requeued(stack: RunningStack) -> None:
    async with new_purchase(stack) as (purchase, _):
        await in_progress(purchase)
        fail_at_apply(stack.document["devnetUrl"], "release_funds")
        release = asyncio.create_task(purchase.release())
        waiting = ""

        async def listed() -> bool:
            nonlocal waiting
            said = (await asyncio.to_thread(run, stack.run_dir, "reconcile")).stdout
            found = re.search(
                r"^waits +RELEASE (\S+) .*release_funds.*CHAIN_FAILED", said, re.MULTILINE
            )
            waiting = found[1] if found else ""
            return found is not None

        await wait_for(listed, what="the waiting release was not listed")
        done = await asyncio.to_thread(run, stack.run_dir, "requeue", "--command", waiting)
        assert (done.returncode, done.stdout) == (0, f"{waiting} is RUNNING\n")
        for _ in range(FAILURES):
            await asyncio.to_thread(run, stack.run_dir, "requeue", "--command", waiting)
        await release
        await wait_for(purchase.is_closed, what="the order did not close")

        ended = run(stack.run_dir, "requeue", "--command", waiting)
        assert (ended.returncode, "COMMAND_ENDED" in ended.stderr) == (1, True)


async def test_unknown_command_is_not_requeued(stack: RunningStack) -> None:
    done = run(stack.run_dir, "requeue", "--command", str(uuid.uuid4()))

    assert (done.returncode, "COMMAND_NOT_FOUND" in done.stderr) == (1, True)


async def test_money_sent_to_a_paid_out_contract_is_surplus(
    stack: RunningStack,
) -> None:
    stranger = Stranger(network_info(stack.document["devnetUrl"]))
    await stranger.come(amount="1.00")
    async with new_purchase(stack) as (purchase, operator):
        await in_progress(purchase)
        await purchase.release()
        await wait_for(purchase.is_closed, what="the order did not close")
        before = {found.account for found in await operator.holdings() if found.is_surplus}

        await stranger.give_contract(purchase.contract_id, minor_units=1)

        found = [h for h in await operator.holdings() if h.is_surplus and h.account not in before]
        assert [(holding.chain, holding.differs) for holding in found] == [(1, False)]
        said = run(stack.run_dir, "reconcile")
        assert f"surplus {found[0].describe()}" in said.stdout
