"""The JSON output of the operator's commands has the shapes in docs/operator.md."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest

from deploy.local.settings import ROOT
from deploy.operator.__main__ import commands
from gateway.keys import id_of
from kernel.ids import from_public
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_operator_everywhere import elsewhere, quarantined
from tests.e2e.test_runbook import releases_fail
from tests.identities import key_file
from tests.operating import operate
from tests.running_stack import RunningStack

_SECTION = re.compile(r"^## (`[^\n]+`)$\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TRAIL = """
select operator, details from gateway.operator_trail
where command = %s and details ->> 'marketplace' = %s order by number desc limit 1
"""
PAGE = (ROOT / "docs/operator.md").read_text()
ERROR = json.loads(_JSON.findall(PAGE)[0])


def documented(page: str) -> dict[str, Any]:
    """Return the shape of each command that a page describes, by the command's name."""
    return {
        name: json.loads(_JSON.findall(body)[0])
        for title, body in _SECTION.findall(page)
        for name in re.findall(r"`([^`]+)`", title)
    }


SHAPES = documented(PAGE)


def fits(printed: Any, shape: Any) -> bool:
    """Tell whether a document has a shape: the same fields and types; null matches anything."""
    if printed is None or shape is None:
        return True
    if isinstance(shape, dict):
        same = isinstance(printed, dict) and printed.keys() == shape.keys()
        return same and all(fits(printed[key], shape[key]) for key in shape)
    if isinstance(shape, list):
        return isinstance(printed, list) and all(fits(one, shape[0]) for one in printed if shape)
    return type(printed) is type(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An operator of one marketplace."""

    own: Tenant
    folder: Path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command with --json, as a named operator."""
        named = {"OPERATOR": "alice", **environment}
        return operate(self.own.stack.run_dir, *arguments, "--json", **named)

    def says(self, name: str, *arguments: str, code: int = 0, **environment: str) -> Any:
        """Run a command, check that its output has the documented shape, and return it."""
        done = self.run(*name.split(), *arguments, **environment)
        assert done.returncode == code, done.stdout + done.stderr
        found = json.loads(done.stdout)
        assert fits(found, SHAPES[name]), (name, found)
        return found

    def refuses(self, *arguments: str, code: int = 1, **environment: str) -> str:
        """Run a command that is refused; returns the reason."""
        done = self.run(*arguments, **environment)
        found = json.loads(done.stdout)
        assert (done.returncode, fits(found, ERROR)) == (code, True), done.stdout + done.stderr
        return str(found["error"]["reason"])


@pytest.fixture
async def desk(stack: RunningStack, tmp_path: Path) -> AsyncIterator[Desk]:
    async with key_store(stack) as store:
        yield Desk(own=await tenant(stack, store), folder=tmp_path)


def test_every_command_has_a_documented_json_shape() -> None:
    names = set()
    for name, command in commands().items():
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {f"{name} {verb}" for verb in inner} or {name}

    assert set(SHAPES) == names


@pytest.mark.parametrize(
    ("printed", "is_so"),
    [
        ({"deposits": [], "credited": None}, True),
        ({"deposits": []}, False),
        ({"deposits": [{}], "credited": None}, False),
        ({"deposits": {}, "credited": None}, False),
    ],
)
def test_shape_check_detects_a_difference(printed: Any, is_so: bool) -> None:  # noqa: FBT001
    assert fits(printed, SHAPES["suspense"]) is is_so


def test_deployment_commands_print_the_documented_json(desk: Desk) -> None:
    whose = ("--marketplace", desk.own.name)

    listed = desk.says("marketplaces")["marketplaces"]
    assert str(desk.own.id) in {one["id"] for one in listed}
    assert desk.says("choose", *whose, "--fee-bps", "250")["feeBps"] == 250
    assert trail(desk, "choose")["platform_fee_bps_marketplace"] == 250
    assert desk.says("reconcile", *whose)["isWell"] is True
    assert desk.says("stuck", *whose) == {"stuck": []}
    assert desk.says("suspense", *whose)["deposits"] == []
    assert desk.says("proposals", *whose)["proposals"] == []
    schemas = desk.says("migrate")["schemas"]
    assert [one for one in schemas if one["before"] != one["after"]] == []
    desk.says("rebuild-stream")


def test_key_commands_print_the_documented_json(desk: Desk) -> None:
    whose = ("--marketplace", desk.own.name)

    made = desk.says("keys issue", *whose, "--scopes", "read", "--name", "reports")
    key_id = id_of(made["key"])
    listed = desk.says("keys list", *whose)["keys"]
    revoked = desk.says("keys revoke", *whose, "--id", made["id"])

    assert (made["id"], made["name"], made["scopes"]) == (key_id, "reports", ["read"])
    assert made["id"] in {one["id"] for one in listed}
    assert made["key"] not in json.dumps(listed)
    assert revoked["revokedAt"]
    assert trail(desk, "keys issue") == {
        "marketplace": desk.own.name,
        "scopes": "read",
        "name": "reports",
    }
    assert trail(desk, "keys revoke") == {"marketplace": desk.own.name, "id": made["id"]}
    assert desk.refuses("keys", "revoke", *whose, "--id", "x") == "API_KEY_NOT_FOUND"
    assert desk.refuses("keys", "list", "--marketplace", "nix") == "MARKETPLACE_NOT_FOUND"
    assert desk.refuses("keys", "issue", *whose, "--scopes", "root", code=2) == "NO_PLACE"


def test_rewrap_prints_the_documented_json(desk: Desk) -> None:
    done = desk.says("keys rewrap")

    assert done["rewrapped"] > 0
    assert done["unusable"] == []


def trail(desk: Desk, command: str) -> Any:
    """Return the audit record of the last operator command on this marketplace."""
    with psycopg.connect(str(desk.own.stack.document["databaseUrl"])) as connection:
        row = connection.execute(TRAIL, (command, desk.own.name)).fetchone()
    assert row is not None, command
    assert row[0] == "alice"
    return row[1]


def test_operator_changes_are_logged_and_reads_are_not(desk: Desk) -> None:
    whose = ("--marketplace", desk.own.name)
    desk.says("stop", *whose, "--flow", "refunds", "--reason", "a look")
    desk.says("limits", *whose)

    log = (desk.own.stack.run_dir / "logs" / "escrow.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if "operator.asked" in line]
    mine = [one for one in lines if one["marketplace_id"] == str(desk.own.id)]
    assert [(one["method"].rpartition("/")[2], one["by"], one["code"]) for one in mine] == [
        ("StopFlow", "operator:alice", "OK")
    ]


def test_flow_commands_print_the_documented_json(desk: Desk) -> None:
    flow = ("--marketplace", desk.own.name, "--flow", "refunds", "--reason", "a look")

    [stopped] = desk.says("stop", *flow)["marketplaces"]
    [limited] = desk.says("limits", *flow, "--amount", "12.5")["marketplaces"]
    [resumed] = desk.says("resume", *flow)["marketplaces"]

    def refunds(found: dict[str, Any]) -> tuple[bool, int | None]:
        [one] = [flow for flow in found["flows"] if flow["flow"] == "refunds"]
        return one["isStopped"], one["dailyLimitMinorUnits"]

    assert [refunds(one) for one in (stopped, limited, resumed)] == [
        (True, None),
        (True, 125_000_000),
        (False, 125_000_000),
    ]
    assert [one["by"] for one in resumed["history"]] == ["operator:alice"] * 3


async def test_correction_commands_print_the_documented_json(desk: Desk) -> None:
    evidence = desk.folder / "look.txt"
    evidence.write_text("what was found")
    async with desk.own.shop() as shop:
        user = await shop.user()
        account = f"user:{(await shop.get(f'/users/{user}'))['uuid']}"

    proposed = desk.says(
        "correct", "--marketplace", desk.own.name, "--debit", "external:stellar",
        "--credit", account, "--amount", "1", "--reason", "x", "--evidence", str(evidence),
    )["proposal"]  # fmt: skip
    which = ("--proposal", proposed["id"])

    assert desk.refuses("approve", *which) == "SAME_OPERATOR"
    assert [one["id"] for one in desk.says("proposals")["proposals"]].count(proposed["id"]) == 1
    rejected = desk.says("reject", *which, OPERATOR="bob")["proposal"]
    assert (rejected["state"], rejected["decidedBy"]) == ("REJECTED", "bob")
    assert desk.refuses("approve", *which, OPERATOR="carol") == "CORRECTION_DECIDED"


async def test_stuck_command_is_listed_requeued_and_abandoned(desk: Desk) -> None:
    stack, whose = desk.own.stack, ("--marketplace", desk.own.name)
    async with desk.own.shop() as shop:
        order_id = await shop.order_in("IN_PROGRESS", await shop.pair(amount="100.00"))
        with releases_fail(stack.document["devnetUrl"]):
            await shop.act(order_id, "release", prefer="wait=0")
            command = await quarantined(stack, order_id)
            which = ("--command", command)

            found = desk.says("stuck", *whose, "--minutes", "0", code=1)["stuck"]
            assert {one["mark"]: one["id"] for one in found} == {
                "STUCK": command,
                "runs": str(from_public("ord", order_id)),
            }
            assert desk.says("reconcile", *whose, code=1)["marketplaces"][0]["stuck"] == 1
            adopting = ("adopt", *which, "--hash", "0" * 64, "--why", "a guess")
            assert desk.refuses(*adopting) == "TRANSACTION_NOT_FOUND"
            assert desk.says("requeue", *which) == {"command": command, "state": "RUNNING"}
            assert await quarantined(stack, order_id) == command
            ended = desk.says("abandon", *which, "--why", "the seller cannot be paid")
            assert (ended["command"], ended["state"]) == (command, "FAILED")
        await shop.quiet(order_id)
        assert desk.refuses("requeue", *which) == "COMMAND_ENDED"
        assert desk.says("stuck", *whose) == {"stuck": []}


async def test_give_back_without_a_hold_changes_nothing(desk: Desk) -> None:
    async with desk.own.shop() as shop:
        order_id = await shop.order_in("FUNDS_RESERVED", await shop.pair(amount="100.00"))
        await shop.act(order_id, "cancel")
    order = str(from_public("ord", order_id))

    given = desk.says("give-back", "--order", order, "--reason", "it was canceled")

    assert given == {"order": order, "isHeld": False}
    assert desk.refuses("confirm-chain", "--why", "nothing was found") == "NOTHING_HELD"


def test_unreachable_service_and_missing_argument_have_their_exit_codes(desk: Desk) -> None:
    away = elsewhere(desk.own.stack)
    away["DATABASE_URL"] = "postgresql://gateway@127.0.0.1:1/orchestrator"
    nowhere = str(desk.folder)

    assert desk.refuses("reconcile", code=3, **away) == "DATABASE_UNAVAILABLE"
    assert desk.refuses("reconcile", "--run-dir", nowhere, code=2) == "NO_PLACE"
    assert desk.refuses("migrate", "--run-dir", nowhere, code=2) == "NO_PLACE"
    assert desk.run("reconcile", "--every", "0").returncode == 2


def test_doctor_finds_every_part_well(desk: Desk) -> None:
    found = desk.says("doctor")

    states = {one["name"]: one["state"] for one in found["checks"]}
    assert found["isWell"] is True
    assert set(states) >= {*desk.own.stack.document["services"], "schema", "clock", "nats", "node"}
    assert [name for name, state in states.items() if state == "wrong"] == []


def test_doctor_prints_one_line_of_json_while_nats_does_not_answer(desk: Desk) -> None:
    nowhere = {**elsewhere(desk.own.stack), "NATS_URL": "nats://127.0.0.1:1"}

    found = desk.says("doctor", code=1, **nowhere)

    assert [one["name"] for one in found["checks"] if one["state"] == "wrong"] == ["nats"]


async def test_doctor_names_the_runbook_section_of_a_problem(desk: Desk) -> None:
    environment = elsewhere(desk.own.stack)
    document = desk.own.stack.document
    environment |= {
        "LEDGER_ADDRESS": "127.0.0.1:1",
        "DATABASE_URL": str(document["databaseUrl"]),
        "NATS_URL": str(document["natsAdminUrl"]),
        "NATS_CA_FILE": str(document["natsCaFile"]),
        # Nor is this.
        "IDENTITY_KEY_FILE": str(key_file("operator")),
        # A key that is nobody's.
        "ESCROW_EVENT_KEYS": "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
        "STELLAR_RPC_URL": str(document["rpcUrl"]),
        "STELLAR_NETWORK_PASSPHRASE": "another network",
    }
    async with desk.own.shop() as shop:
        await shop.pair(amount="10.00")
    revision = "update disputes.alembic_version set version_num = %s returning version_num"
    with psycopg.connect(str(document["databaseUrl"]), autocommit=True) as connection:
        [before] = connection.execute("select version_num from disputes.alembic_version").fetchone()  # type: ignore[misc]
        connection.execute(revision, ("disputes_0001",))
        try:
            found = await asyncio.to_thread(desk.says, "doctor", code=1, **environment)
        finally:
            connection.execute(revision, (before,))

    wrong = {one["name"]: one["section"] for one in found["checks"] if one["state"] == "wrong"}
    assert wrong == {
        "ledger": "A program does not answer",
        "identity": "A key must go",
        "schema": "The schema is not the code's",
        "signing": "A key must go",
        "node": "No deposit is seen",
    }
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert set(wrong.values()) <= set(headings)
