"""An operator stops and limits flows of money; orders wait meanwhile."""

import asyncio
import subprocess

from deploy.local.demo.purchase import wait_for
from tests.e2e.test_operator import in_progress
from tests.operating import operate
from tests.running_stack import RunningStack, new_purchase

WHICH = ("--marketplace", "demo", "--flow", "releases")


async def run(stack: RunningStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(operate, stack.run_dir, *arguments)


async def test_release_waits_for_a_stopped_flow_and_is_paid_after_resume(
    stack: RunningStack,
) -> None:
    async with new_purchase(stack) as (purchase, _):
        await in_progress(purchase)
        stopped = await run(stack, "stop", *WHICH, "--reason", "A drill", "--operator", "ann")
        assert stopped.returncode == 0, stopped.stderr
        assert "releases   STOPPED" in stopped.stdout
        release = asyncio.create_task(purchase.release())

        async def listed() -> bool:
            return "FLOW_STOPPED" in (await run(stack, "reconcile")).stdout

        try:
            await wait_for(listed, what="the release does not wait")
            assert not release.done()
        finally:
            resumed = await run(stack, "resume", *WHICH, "--reason", "It is over")
        await release

    assert resumed.returncode == 0
    assert "stop releases of demo, operator:ann: A drill" in resumed.stdout


async def test_limits_are_set_listed_and_removed(stack: RunningStack) -> None:
    set_to = await run(stack, "limits", *WHICH, "--amount", "12.50", "--reason", "A drill")
    listed = await run(stack, "limits", "--marketplace", "demo")
    taken = await run(stack, "limits", *WHICH, "--amount", "none", "--reason", "It is over")

    assert set_to.returncode == listed.returncode == taken.returncode == 0
    assert "releases   running  limit 12.50" in listed.stdout
    assert "releases   running  limit none" in taken.stdout


async def test_flow_change_requires_marketplace_flow_and_reason(stack: RunningStack) -> None:
    for arguments in (
        ("stop", "--flow", "releases", "--reason", "x"),
        ("stop", "--marketplace", "demo", "--reason", "x"),
        ("stop", *WHICH),
        ("limits", *WHICH, "--reason", "x"),
        ("limits", *WHICH, "--amount", "1.000000001", "--reason", "x"),
        ("limits", *WHICH, "--amount", "-1", "--reason", "x"),
    ):
        assert (await run(stack, *arguments)).returncode == 2, arguments
    refused = await run(stack, "stop", *WHICH, "--reason", " ")
    assert refused.returncode == 2
    assert "must not be empty" in refused.stderr
