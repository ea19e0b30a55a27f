"""Every block of docs/runbook.md is run in the situation that it is for."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from chassis.migrations.scripts import SCRIPTS
from deploy.local.devnet import network_info
from deploy.local.settings import ROOT
from kernel.ids import from_public
from tests.books import Books
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_operator import FAILURES, fail_at_apply
from tests.e2e.test_operator_everywhere import elsewhere, hidden_contract, quarantined
from tests.integration.escrow.strangers import Stranger
from tests.operating import operate
from tests.runbook import Block, asked, blocks, command, environment, typed
from tests.running_stack import RunningStack
from tests.shop import Shop, until
from tests.suspending import suspended

pytestmark = pytest.mark.slow

SPOILT = "spoilt"
REFUSED = "escrow.deposits", f"check (memo <> '{SPOILT}') not valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An operator with a stack and a marketplace."""

    stack: RunningStack
    tenant: Tenant
    shop: Shop
    folder: Path

    def type(
        self, section: str, number: int = 0, **values: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell block of the page."""
        return typed(section, number, run_dir=self.stack.run_dir, **values)

    def well(self, section: str, number: int = 0, **values: str) -> str:
        """Run a shell block that must succeed; returns its output."""
        done = self.type(section, number, **values)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def asks(self, section: str, number: int = 0) -> list[list[tuple[object, ...]]]:
        """Run an SQL block of the page unchanged."""
        [block] = [one for one in blocks("sql") if one.name == (section, number)]
        return asked(block, database_url=str(self.stack.document["databaseUrl"]))

    def own(self) -> str:
        """Reconcile this marketplace; returns the output."""
        return operate(self.stack.run_dir, "reconcile", "--marketplace", self.tenant.name).stdout


@pytest.fixture
async def desk(stack: RunningStack, tmp_path: Path) -> AsyncIterator[Desk]:
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        async with own.shop() as shop:
            yield Desk(stack=stack, tenant=own, shop=shop, folder=tmp_path)


async def another_deployment(desk: Desk) -> None:
    named = elsewhere(desk.stack)
    values = {
        "ORDERS": named["ORDERS_ADDRESS"],
        "LEDGER": named["LEDGER_ADDRESS"],
        "ESCROW": named["ESCROW_ADDRESS"],
        "KEY_FILE": named["IDENTITY_KEY_FILE"],
        "CERT": named["TLS_CERT_FILE"],
        "CERT_KEY": named["TLS_KEY_FILE"],
        "CA": named["TLS_CA_FILE"],
        "MARKETPLACES_URL": named["DATABASE_URL"],
    }
    # No stack is known in this RUN_DIR: what answers is what was named.
    done = typed("", 0, run_dir=desk.folder, **values)

    assert f"{desk.tenant.id}  {desk.tenant.name}" in done.stdout
    assert f"0 differ  [{desk.tenant.name}]" in done.stdout


async def a_first_look(desk: Desk) -> None:
    said = desk.type("First look").stdout

    assert re.search(r"^ok +I1 ", said, re.MULTILINE)
    assert f"ledger = chain: 0 accounts, 0 in progress, 0 differ  [{desk.tenant.name}]" in said


async def an_alarm(desk: Desk) -> None:
    figures = await asyncio.to_thread(first_round, desk)

    assert desk.tenant.name in {one["marketplace"] for one in figures["marketplaces"]}
    assert isinstance(figures["isWell"], bool)


def first_round(desk: Desk) -> dict[str, Any]:
    """Run the block that never ends, read its first line, and stop it."""
    with subprocess.Popen(
        command("First look", 1),
        env=environment(desk.stack.run_dir, {}),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as rounds:
        assert rounds.stdout is not None
        figures: dict[str, Any] = json.loads(rounds.stdout.readline())
        os.killpg(rounds.pid, signal.SIGTERM)
    return figures


async def a_look_at_every_part(desk: Desk) -> None:
    said = desk.type("First look", 2).stdout

    assert re.search(r"^well +schema ", said, re.MULTILINE)
    # Ledger and chain differ on a stack where other tests have made them differ.
    assert set(re.findall(r"^WRONG +(\w+)", said, re.MULTILINE)) <= {"compared"}


async def a_migration(desk: Desk) -> None:
    said = desk.well("The schema is not the code's")

    assert re.findall(r"^(\w+): at \w+, nothing to do$", said, re.MULTILINE) == list(SCRIPTS)


async def what_is_stuck(desk: Desk) -> None:
    assert " found, " in desk.type("An operation is stuck").stdout


async def a_quarantined_command(desk: Desk) -> None:
    section = "A command is quarantined"
    order_id = await desk.shop.order_in("IN_PROGRESS", await desk.shop.pair(amount="100.00"))
    fail_at_apply(desk.stack.document["devnetUrl"], "release_funds")
    await desk.shop.act(order_id, "release", prefer="wait=0")
    command_id = await quarantined(desk.stack, order_id)

    listed, signed = desk.asks(section)
    paid = desk.asks(section, 1)
    assert command_id in {str(row[0]) for row in listed}
    assert {str(row[0]) for row in signed} >= {command_id}
    assert paid == [[]], "the command has paid nothing"
    [line] = [one for one in desk.own().splitlines() if one.startswith("STUCK")]
    assert command_id in line

    assert desk.well(section, COMMAND=command_id) == f"{command_id} is RUNNING\n"
    await closes(desk, order_id, command_id)


async def a_waiting_command(desk: Desk) -> None:
    order_id = await desk.shop.order_in("IN_PROGRESS", await desk.shop.pair(amount="100.00"))
    found: list[str] = []

    async def waits() -> bool:
        said = await asyncio.to_thread(desk.own)
        found[:] = re.findall(r"^waits +RELEASE (\S+) ", said, re.MULTILINE)
        return bool(found)

    with releases_fail(desk.stack.document["devnetUrl"]):
        await desk.shop.act(order_id, "release", prefer="wait=0")
        await until(waits, what="the release does not wait")
        said = desk.well("A command waits", COMMAND=found[0])
    assert said == f"{found[0]} is RUNNING\n"
    await closes(desk, order_id, found[0])


@contextmanager
def releases_fail(devnet_url: str) -> Iterator[None]:
    """Let every release fail on the ledger for the block, however long it takes."""
    fail_at_apply(devnet_url, "release_funds", count=1_000_000)
    try:
        yield
    finally:
        httpx.delete(f"{devnet_url}/faults").raise_for_status()


async def closes(desk: Desk, order_id: str, command_id: str) -> None:
    """Requeue a release until the node no longer fails it, and wait for its end."""
    for _ in range(FAILURES):
        operate(desk.stack.run_dir, "requeue", "--command", command_id)
    await desk.shop.quiet(order_id)
    assert (await desk.shop.get(f"/orders/{order_id}"))["status"] == "CLOSED"


async def a_stopped_flow(desk: Desk) -> None:
    said = desk.well("Stop a flow of money", NAME=desk.tenant.name)

    states = re.findall(r"releases +(STOPPED|running)", said)
    assert (states[0], states[-1]) == ("STOPPED", "running")
    assert "refunds    running  limit 5000" in said


async def a_lost_stream(desk: Desk) -> None:
    said = desk.well("NATS has lost its data")

    assert re.fullmatch(r"[1-9][0-9]* events are being published again\n", said), said


async def a_deposit_in_suspense(desk: Desk) -> None:
    section = "A deposit is in suspense"
    user = await desk.shop.user()
    await desk.shop.give(user, "12.50")
    await suspended(desk.shop, user, "12.50", memo="for whom?")
    [line] = [one for one in desk.well(section).splitlines() if desk.tenant.name in one]
    assert "waits   1 deposit in suspense, 12.50" in desk.own()

    said = desk.well(section, 1, TRANSFER=line.split()[0])

    assert said.startswith("credited to user ")
    assert await desk.shop.balance(user) == ("12.50", "0.00")


async def a_difference(desk: Desk) -> None:
    order_id = await desk.shop.order_in("IN_PROGRESS", await desk.shop.pair(amount="100.00"))

    with hidden_contract(desk.stack, order_id):
        done = desk.type("Ledger and chain differ", MARKETPLACE=desk.tenant.name)

    assert done.returncode != 0
    order = from_public("ord", order_id)
    assert f"DIFFERS escrow:{order}: ledger 80.00, chain 0.00" in done.stdout
    assert desk.well("Ledger and chain differ", MARKETPLACE=desk.tenant.name)


async def a_correction(desk: Desk) -> None:
    section = "The books must be corrected"
    user = await desk.shop.user()
    account = f"user:{(await desk.shop.get(f'/users/{user}'))['uuid']}"
    with records_refused(desk.stack):
        transaction = await pays(desk, user, "7.25", memo=SPOILT)
        found: list[str] = []

        async def put_aside() -> bool:
            said = await asyncio.to_thread(desk.own)
            found[:] = re.findall(rf"^ASIDE +(\S+) {transaction}", said, re.MULTILINE)
            return bool(found)

        await until(put_aside, what="the deposit was not put aside")
    assert f"DIFFERS {account}: ledger 0.00, chain 7.25" in desk.own()
    assert transaction in str(desk.asks("A deposit does not arrive", 1))
    evidence = desk.folder / "evidence.txt"
    evidence.write_text(transaction)

    proposed = desk.well(
        section, MARKETPLACE=desk.tenant.name, ACCOUNT=account, AMOUNT="7.25",
        EVIDENCE=str(evidence), EVENT=found[0],
    )  # fmt: skip
    proposal = re.match(r"OPEN until \S+ (\S+): 7.25 USDC", proposed)
    assert proposal is not None, proposed
    assert proposed in desk.well(section, 1)
    posted = desk.well(section, 2, PROPOSAL=proposal[1])

    assert posted.startswith("APPROVED ")
    assert await desk.shop.balance(user) == ("7.25", "0.00")
    said = desk.own()
    assert "ASIDE" not in said
    assert "0 in progress, 0 differ" in said


@contextmanager
def records_refused(stack: RunningStack) -> Iterator[None]:
    """Let the table of deposits refuse records with one memo."""
    table, rule = REFUSED
    with psycopg.connect(str(stack.document["databaseUrl"]), autocommit=True) as connection:
        connection.execute(f"alter table {table} add constraint spoilt {rule}".encode())
        try:
            yield
        finally:
            connection.execute(f"alter table {table} drop constraint spoilt".encode())


async def pays(desk: Desk, user: str, amount: str, *, memo: str) -> str:
    """Pay a user's wallet on chain from an unrelated account; returns the transaction's hash."""
    place = (await desk.shop.get(f"/users/{user}/wallet/deposit"))["address"]
    stranger = Stranger(network_info(desk.stack.document["devnetUrl"]))
    await stranger.come(amount="100.0000000")
    return await stranger.send(stranger.payment(place, amount), memo=memo)


async def a_hold_of_no_order(desk: Desk, books: Books) -> None:
    order_id = await desk.shop.order_in("FUNDS_RESERVED", await desk.shop.pair(amount="100.00"))
    order = from_public("ord", order_id)
    books.put_into(order_id, "ORDER_CREATED")
    try:
        [found] = desk.asks("Money is held for an order that has none")
        said = desk.own()
    finally:
        books.put_into(order_id, "FUNDS_RESERVED")

    assert str(order) in {str(row[0]) for row in found}
    assert re.search(rf"^STUCK +80.00 of user:\S+ for order {order}", said, re.MULTILINE)


# The situation of every shell block; several blocks can share one.
PLAYS: dict[tuple[str, int], Callable[[Desk], Awaitable[None]]] = {
    ("", 0): another_deployment,
    ("First look", 0): a_first_look,
    ("First look", 1): an_alarm,
    ("First look", 2): a_look_at_every_part,
    ("The schema is not the code's", 0): a_migration,
    ("An operation is stuck", 0): what_is_stuck,
    ("A command is quarantined", 0): a_quarantined_command,
    ("A command waits", 0): a_waiting_command,
    ("Stop a flow of money", 0): a_stopped_flow,
    ("NATS has lost its data", 0): a_lost_stream,
    ("A deposit is in suspense", 0): a_deposit_in_suspense,
    ("A deposit is in suspense", 1): a_deposit_in_suspense,
    ("Ledger and chain differ", 0): a_difference,
    ("The books must be corrected", 0): a_correction,
    ("The books must be corrected", 1): a_correction,
    ("The books must be corrected", 2): a_correction,
}


def test_every_shell_block_has_a_test_situation() -> None:
    assert {block.name for block in blocks("sh")} == set(PLAYS)


@pytest.mark.parametrize("play", dict.fromkeys(PLAYS.values()), ids=lambda play: play.__name__)
async def test_runbook_commands_do_what_the_page_says(
    desk: Desk, play: Callable[[Desk], Awaitable[None]]
) -> None:
    await play(desk)


async def test_misplaced_hold_is_found_as_the_page_says(desk: Desk, books: Books) -> None:
    await a_hold_of_no_order(desk, books)


@pytest.mark.parametrize(
    "block", blocks("sql"), ids=lambda block: f"{block.section} {block.number}"
)
def test_runbook_sql_runs_unchanged_and_read_only(stack: RunningStack, block: Block) -> None:
    assert asked(block, database_url=str(stack.document["databaseUrl"]))


def test_missing_stack_is_reported(tmp_path: Path) -> None:
    done = typed("First look", run_dir=tmp_path)

    assert (done.returncode != 0, "no stack runs in" in done.stderr) == (True, True)
