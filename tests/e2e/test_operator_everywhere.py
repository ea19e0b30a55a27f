"""The operator's commands cover every marketplace on any deployment, and name the marketplace."""

import asyncio
import json
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from chassis.identity import OPERATOR
from deploy.local import authority, identities
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from kernel.ids import from_public
from tests.books import Books
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_operator import FAILURES, fail_at_apply
from tests.operating import operate
from tests.running_stack import RunningStack
from tests.shop import until

_HIDE = "update escrow.escrows set state = %s where order_id = %s returning id"
_QUARANTINE = """
update escrow.commands set state = 'QUARANTINED', error_reason = 'QUARANTINED',
    error_message = 'The chain shows something else'
where id = %s and state = 'RUNNING' and lease_until < now()
"""


@pytest.fixture
async def acme(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A second marketplace beside demo."""
    async with key_store(stack) as store:
        yield await tenant(stack, store)


def elsewhere(stack: RunningStack) -> dict[str, str]:
    """Describe the stack's services as a remote deployment."""
    document, own = stack.document, authority.files(stack.run_dir, OPERATOR)
    return {
        **{f"{name.upper()}_ADDRESS": address for name, address in document["services"].items()},
        "TLS_CERT_FILE": str(own.certificate),
        "TLS_KEY_FILE": str(own.key),
        "TLS_CA_FILE": str(own.authority),
        "IDENTITY_KEY_FILE": str(identities.key_file(stack.run_dir, OPERATOR)),
        # The gateway's role may read its marketplaces, and nothing of another schema.
        "DATABASE_URL": str(httpx.URL(document["databaseUrl"]).copy_with(username="gateway")),
    }


@contextmanager
def hidden_contract(stack: RunningStack, order_id: str) -> Iterator[None]:
    """Hide an order's contract for the block, so that the ledger has more than the chain."""
    order = str(from_public("ord", order_id))
    with psycopg.connect(str(stack.document["databaseUrl"]), autocommit=True) as connection:
        connection.execute(_HIDE, ("FAILED", order))
        try:
            yield
        finally:
            connection.execute(_HIDE, ("FUNDED", order))


async def test_difference_in_a_second_marketplace_is_reported_by_name(acme: Tenant) -> None:
    run_dir = acme.stack.run_dir
    async with acme.shop() as shop:
        order_id = await shop.order_in("IN_PROGRESS", await shop.pair(amount="100.00"))
    order = from_public("ord", order_id)
    line = f"DIFFERS escrow:{order}: ledger 80.00, chain 0.00  [{acme.name}]"

    with hidden_contract(acme.stack, order_id):
        everywhere = operate(run_dir, "reconcile")
        there = operate(run_dir, "reconcile", "--marketplace", acme.name)
        by_id = operate(run_dir, "reconcile", "--marketplace", str(acme.id))
        demo = operate(run_dir, "reconcile", "--marketplace", "demo")

    for said in (everywhere, there, by_id):
        assert (said.returncode, line in said.stdout.splitlines()) == (1, True), said.stdout
    assert line not in demo.stdout
    assert "[demo]" in everywhere.stdout
    assert operate(run_dir, "reconcile", "--marketplace", acme.name).returncode == 0


async def test_quarantined_command_of_a_second_marketplace_is_listed_and_requeued(
    acme: Tenant, tmp_path: Path
) -> None:
    stack = acme.stack
    async with acme.shop() as shop:
        order_id = await shop.order_in("IN_PROGRESS", await shop.pair(amount="100.00"))
        fail_at_apply(stack.document["devnetUrl"], "release_funds")
        await shop.act(order_id, "release", prefer="wait=0")
        command_id = await quarantined(stack, order_id)

        said = operate(stack.run_dir, "reconcile")

        assert said.returncode == 1
        pattern = rf"^STUCK +RELEASE {command_id} .*something else  \[{acme.name}\]$"
        assert re.search(pattern, said.stdout, re.MULTILINE), said.stdout
        # By its id alone, as a log gives it, on services named by their addresses.
        environment = elsewhere(stack)
        done = operate(tmp_path, "requeue", "--command", command_id, **environment)
        assert (done.returncode, done.stdout) == (0, f"{command_id} is RUNNING\n"), done.stderr
        for _ in range(FAILURES):
            operate(tmp_path, "requeue", "--command", command_id, **environment)
        await shop.quiet(order_id)
        assert (await shop.get(f"/orders/{order_id}"))["status"] == "CLOSED"


async def quarantined(stack: RunningStack, order_id: str) -> str:
    """Quarantine an order's waiting command; returns its id."""
    command_id = ""

    async def done() -> bool:
        nonlocal command_id
        said = (await asyncio.to_thread(operate, stack.run_dir, "reconcile")).stdout
        order = from_public("ord", order_id)
        found = re.search(rf"^waits +RELEASE (\S+) of escrow:{order}", said, re.MULTILINE)
        if found is None:
            return False
        command_id = found[1]
        with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
            return connection.execute(_QUARANTINE, (command_id,)).rowcount == 1

    await until(done, what="the release did not come to be quarantined")
    return command_id


@pytest.mark.parametrize("state", ["FUNDS_RESERVED", "IN_PROGRESS"])
async def test_money_held_for_an_order_in_the_wrong_state_is_reported_as_stuck(
    acme: Tenant, books: Books, state: str
) -> None:
    async with acme.shop() as shop:
        order_id = await shop.order_in(state, await shop.pair(amount="100.00"))
    assert operate(acme.stack.run_dir, "reconcile", "--marketplace", acme.name).returncode == 0
    order = from_public("ord", order_id)

    books.put_into(order_id, "ORDER_CREATED")
    said = operate(acme.stack.run_dir, "reconcile", "--marketplace", acme.name)
    books.put_into(order_id, state)

    line = rf"STUCK   80.00 of (user|escrow):\S+ for order {order}, which is ORDER_CREATED"
    assert said.returncode == 1
    assert re.search(line, said.stdout), said.stdout


def test_marketplaces_are_listed_by_name_and_id(acme: Tenant, tmp_path: Path) -> None:
    said = operate(tmp_path, "marketplaces", **elsewhere(acme.stack))

    assert f"{acme.id}  {acme.name}" in said.stdout.splitlines()


def test_each_round_prints_one_line_of_json(acme: Tenant) -> None:
    with subprocess.Popen(
        python_module("deploy.operator", "reconcile", "--every", "1"),
        env=child_environment(RUN_DIR=str(acme.stack.run_dir)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as rounds:
        assert rounds.stdout is not None
        first, second = (json.loads(rounds.stdout.readline()) for _ in range(2))
        rounds.terminate()
    for figures in (first, second):
        assert figures["broken"] == []
        [own] = [one for one in figures["marketplaces"] if one["marketplace"] == acme.name]
        assert (own["accounts"], own["differ"], own["stuck"], own["refusal"]) == (0, 0, 0, "")


def test_unknown_command_is_searched_in_every_marketplace(stack: RunningStack) -> None:
    done = operate(stack.run_dir, "requeue", "--command", str(uuid.uuid4()))

    assert (done.returncode, "COMMAND_NOT_FOUND" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "no stack runs in"),
        ({"LEDGER_ADDRESS": "127.0.0.1:1"}, "ORDERS_ADDRESS"),
        (
            {f"{name}_ADDRESS": "127.0.0.1:1" for name in ("ORDERS", "LEDGER", "ESCROW")},
            "IDENTITY_KEY",
        ),
        ({"OPERATOR": "Alice"}, "OPERATOR"),
    ],
)
def test_incomplete_deployment_addresses_are_refused(
    tmp_path: Path, environment: dict[str, str], named: str
) -> None:
    done = operate(tmp_path, "reconcile", **environment)

    assert (done.returncode, named in done.stderr) == (2, True), done.stderr


def test_unreachable_deployment_has_another_exit_code_than_a_difference(
    stack: RunningStack, tmp_path: Path
) -> None:
    environment = elsewhere(stack)
    environment["DATABASE_URL"] = "postgresql://gateway@127.0.0.1:1/orchestrator"

    done = operate(tmp_path, "reconcile", **environment)

    assert (done.returncode, "the database" in done.stderr) == (3, True)


def test_operators_key_is_not_accepted_as_an_argument() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "deploy.operator", "reconcile", "--help"],
        env=child_environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "identity_key" not in said.lower()


async def test_correction_is_proposed_by_one_operator_and_posted_by_another(
    acme: Tenant, tmp_path: Path
) -> None:
    evidence = tmp_path / "look.txt"
    evidence.write_text("transaction, ledger and amount")
    async with acme.shop() as shop:
        user = await shop.user()
        account = f"user:{(await shop.get(f'/users/{user}'))['uuid']}"

    def correct(*arguments: str, operator: str = "alice") -> subprocess.CompletedProcess[str]:
        return operate(acme.stack.run_dir, *arguments, OPERATOR=operator)

    proposed = correct(
        "correct", "--marketplace", acme.name, "--debit", "external:stellar", "--credit", account,
        "--amount", "12.5000001", "--reason", "A lost deposit", "--evidence", str(evidence),
    )  # fmt: skip
    assert proposed.returncode == 0, proposed.stderr
    found = re.match(
        r"OPEN until \S+ (\S+): 12.5000001 USDC from external:stellar", proposed.stdout
    )
    assert found is not None, proposed.stdout
    proposal = ("--proposal", found[1])
    assert proposed.stdout in correct("proposals").stdout
    own, unnamed = correct("approve", *proposal), correct("approve", *proposal, operator="")
    assert (own.returncode, "SAME_OPERATOR" in own.stderr) == (1, True), own.stderr
    assert (unnamed.returncode, "OPERATOR_NOT_NAMED" in unnamed.stderr) == (1, True)

    posted, again = (correct("approve", *proposal, operator="bob") for _ in range(2))

    assert (posted.returncode, posted.stdout) == (0, again.stdout), posted.stderr
    assert posted.stdout.startswith(f"APPROVED {found[1]}")
    async with acme.shop() as shop:
        assert (await shop.get(f"/users/{user}/balance"))["available"] == "12.5000001"
    late = correct("reject", *proposal, operator="bob")
    assert (late.returncode, "CORRECTION_DECIDED" in late.stderr) == (1, True)
    # The chain has no such money: the books say more than the wallet until it is taken back.
    assert operate(acme.stack.run_dir, "reconcile", "--marketplace", acme.name).returncode == 1


def test_correction_requires_one_marketplace(stack: RunningStack, tmp_path: Path) -> None:
    evidence = tmp_path / "look.txt"
    evidence.touch()

    done = operate(
        stack.run_dir, "correct", "--debit", "external:stellar", "--credit", "suspense",
        "--amount", "1.00", "--reason", "x", "--evidence", str(evidence), OPERATOR="alice",
    )  # fmt: skip

    assert (done.returncode, "a correction is for one marketplace" in done.stderr) == (1, True)
