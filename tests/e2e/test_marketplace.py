"""`make marketplace`: new settings of a marketplace apply to its next orders."""

import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.tenants import Tenant, key_store, tenant
from tests.operating import operate
from tests.running_stack import RunningStack
from tests.shop import data_of


@pytest.fixture
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    async with key_store(stack) as store:
        yield await tenant(stack, store)


def choose(run_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return operate(run_dir, "choose", *arguments)


async def test_new_settings_apply_to_the_next_order(own: Tenant) -> None:
    done = choose(
        own.stack.run_dir, "--marketplace", own.name, "--credits", "on", "--fee-bps", "250",
        "--auto-confirm-days", "3",
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "manual credits: on",
        "platform fee, orders by API key: 250 basis points",
        "platform fee, orders by user's token: the service's default",
        "a delivery counts as accepted after 3 days",
        "a reservation without an escrow is canceled after 7 days",
        "an order whose escrow is not funded is canceled after 7 days",
        "a missing delivery is published after 30 days",
        "an undecided dispute is published after 14 days",
        "each deadline's warning comes 24 hours before it",
        "least of a withdrawal: off",
        "most of a withdrawal: off",
        "most of a user in 24 hours: off",
        "destinations of withdrawals: off",
        "hours that a new destination waits: off",
        "a second key approves more than: off",
        "a withdrawal that is not approved is canceled after 72 hours",
        "hours for the first answer to a dispute: 24",
        "hours for the decision of a dispute: 168",
        "payouts are redirected by: operator",
    ]
    async with own.shop() as shop:
        order = await shop.get(f"/orders/{await shop.order(await shop.pair())}")
        user = await shop.user()
        body = {"amount": "5.00", "reference": str(uuid.uuid4())}
        data_of(await shop.post(f"/users/{user}/balance/credit", body), status=201)
    assert (order["platformFee"], order["platformFeeBps"]) == ("2.00", 250)


def test_without_arguments_current_settings_are_printed(own: Tenant) -> None:
    done = choose(own.stack.run_dir, "--marketplace", own.name)

    assert done.stdout.splitlines()[0] == "manual credits: off"


@pytest.mark.parametrize("arguments", [("--fee-bps", "9901"), ("--auto-confirm-days", "0")])
def test_invalid_settings_are_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert choose(tmp_path, *arguments).returncode == 2


def test_unknown_marketplace_is_named_in_the_error(stack: RunningStack) -> None:
    done = choose(stack.run_dir, "--marketplace", "nobody")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("orchestrator choose: unknown marketplace 'nobody'; known: ")
    assert "demo" in done.stderr


def test_settings_need_exactly_one_marketplace(stack: RunningStack) -> None:
    assert choose(stack.run_dir, "--marketplace", "all", "--credits", "on").returncode == 1
