"""`make suspense`: a deposit in suspense is listed, and credited to the owner of the wallet."""

import subprocess
from pathlib import Path

import pytest

from deploy.operator.client import Operator
from tests.books import assert_sound
from tests.operating import operate
from tests.running_stack import RunningStack
from tests.shop import Shop
from tests.suspending import suspended


def run(run_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return operate(run_dir, "suspense", *arguments)


async def test_deposit_in_suspense_is_listed_and_credited_once(
    stack: RunningStack, shop: Shop, operator: Operator
) -> None:
    user = await shop.user()
    await shop.give(user, "12.50")
    deposit = await suspended(shop, user, "12.50", memo=f"for {user}")
    await assert_sound(operator)
    assert await shop.balance(user) == ("0.00", "0.00")
    [line] = [one for one in run(stack.run_dir).stdout.splitlines() if f"'for {user}'" in one]
    assert line.split()[0] == deposit
    arguments = ("--credit", deposit, "--reason", "The payer meant the user")

    first, again = run(stack.run_dir, *arguments), run(stack.run_dir, *arguments)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert user not in run(stack.run_dir).stdout
    assert await shop.balance(user) == ("12.50", "0.00")
    statement = await shop.client.get(f"/users/{user}/balance/entries")
    entry = statement.json()["data"][0]
    assert (entry["code"], entry["reason"]) == ("DEPOSIT", "The payer meant the user")
    await assert_sound(operator)


def test_transfer_that_is_not_in_suspense_is_not_found(stack: RunningStack) -> None:
    done = run(stack.run_dir, "--credit", "00000000-0000-0000-0000-000000000001", "--reason", "x")

    assert done.returncode == 1
    assert (
        done.stderr
        == "orchestrator suspense: TRANSFER_NOT_FOUND: There is no such deposit in suspense\n"
    )


@pytest.mark.parametrize("arguments", [("--credit", "x"), ("--credit", "0" * 32)])
def test_credit_requires_a_transfer_and_a_reason(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert run(tmp_path, *arguments).returncode == 2
