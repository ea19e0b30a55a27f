"""The developers' commands on a running stack; docs/cli.md is typed in test_pages.py."""

import json
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest

from client import Marketplace
from deploy.developer.tables import listed
from deploy.local.ports import free_port
from deploy.local.settings import ROOT
from deploy.operator.__main__ import DEVELOPERS_ROOMS, commands
from tests.e2e.test_operator_json import documented, fits
from tests.operating import operate
from tests.running_stack import RunningStack, wait_for

PAGE = (ROOT / "docs/cli.md").read_text()
SHAPES = documented(PAGE)


class Developer:
    """Somebody with a key of the test environment."""

    def __init__(self, stack: RunningStack, **environment: str) -> None:
        self._stack = stack
        self._environment = {
            "ORCHESTRATOR_URL": stack.url,
            "ORCHESTRATOR_API_KEY": str(stack.document["testKey"]),
            "ORCHESTRATOR_FAUCET_URL": str(stack.document["faucetUrl"]),
            **environment,
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        named = {**self._environment, **environment}
        return operate(self._stack.run_dir, *arguments, **named)

    def says(self, *arguments: str) -> Any:
        """Run a command, check that its last line has the documented shape, and return it."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout.splitlines()[-1])
        [name] = [one for one in SHAPES if arguments[: one.count(" ") + 1] == tuple(one.split())]
        assert fits(found, SHAPES[name]), (name, found)
        return found

    def refuses(self, *arguments: str, code: int = 1, **environment: str) -> str:
        """Run a command that is refused; returns the reason."""
        done = self.run(*arguments, "--json", **environment)
        assert done.returncode == code, done.stdout + done.stderr
        return str(json.loads(done.stdout)["error"]["reason"])


@pytest.fixture
def developer(stack: RunningStack) -> Developer:
    return Developer(stack)


def test_every_command_of_developers_has_a_documented_json_shape() -> None:
    names = set()
    for name, command in commands(DEVELOPERS_ROOMS).items():
        inner = command.commands if isinstance(command, click.Group) else {}
        names |= {f"{name} {verb}" for verb in inner} or {name}

    # What is exported is CSV.
    assert set(SHAPES) == names - {"export"}


def test_login_keeps_the_key_and_does_not_print_it(
    stack: RunningStack, developer: Developer, tmp_path: Path
) -> None:
    key = str(stack.document["testKey"])
    typed = f"{key}\n"
    place = {
        "XDG_CONFIG_HOME": str(tmp_path),
        "ORCHESTRATOR_URL": "",
        "ORCHESTRATOR_API_KEY": "",
    }

    done = developer.run("login", "--url", f"{stack.url}/api/v1", stdin=typed, **place)
    again = developer.run("login", "--url", stack.url, "--json", stdin=typed, **place)
    wrong = developer.run("login", "--url", stack.url, stdin="ohk_test_x\n", **place)

    assert (done.returncode, "demo (test), kept in" in done.stdout) == (0, True), done.stderr
    assert fits(json.loads(again.stdout), SHAPES["login"])
    assert wrong.returncode == 1
    assert key not in done.stdout + done.stderr + again.stdout + wrong.stderr
    kept = (tmp_path / "orchestrator/login.json").read_text()
    assert json.loads(kept)["api_key"] == key
    refused = developer.refuses("listen", "--forward-to", "nowhere", code=2, **place)
    assert refused == "NO_PLACE"


@pytest.mark.parametrize(
    ("event", "paid"),
    [("order.refunded", (None, "20.00")), ("dispute.resolved", ("10.00", "10.00"))],
)
def test_trigger_lets_an_event_happen(
    stack: RunningStack, developer: Developer, event: str, paid: tuple[str | None, str | None]
) -> None:
    found = developer.says("trigger", event)

    with Marketplace(str(stack.document["testKey"]), base_url=stack.url) as api:
        order = api.get_order(found["id"])
    assert order["status"] == "CLOSED"
    assert (order["releasedAmount"], order["refundedAmount"]) == paid


def test_a_refusal_has_the_code_of_the_api(developer: Developer) -> None:
    trigger = ("trigger", "order.released")

    assert developer.refuses(*trigger, ORCHESTRATOR_FAUCET_URL="") == "NO_FAUCET"
    assert developer.refuses(*trigger, ORCHESTRATOR_API_KEY="ohk_test_x") == "INVALID_API_KEY"
    away = developer.refuses(*trigger, code=3, ORCHESTRATOR_URL="http://127.0.0.1:9")
    assert away == "NO_ANSWER"
    assert developer.refuses("trigger", "withdrawal.completed") == "NO_DESTINATION"


def test_listening_for_an_unknown_event_is_refused(developer: Developer) -> None:
    done = developer.run("listen", "--forward-to", "http://127.0.0.1:9", "--events", "nothing")

    assert done.returncode == 1
    assert "VALIDATION_ERROR: " in done.stderr


def test_commands_about_orders_and_users_print_the_documented_json(
    stack: RunningStack, developer: Developer
) -> None:
    made = developer.says("trigger", "order.canceled")
    shown = developer.says("orders", "show", made["id"])
    listed = developer.says("orders", "list", "--status", "CLOSED", "--count", "1")
    buyer = shown["order"]["buyerId"]
    paid = developer.says("users", "fund", buyer, "1.00")

    assert shown["order"]["finalStatus"] == "CANCELED"
    assert {one["kind"] for one in shown["timeline"]} >= {"TRANSITION"}
    assert [one["status"] for one in listed["orders"]] == ["CLOSED"]
    assert buyer in {one["id"] for one in developer.says("users", "list")["users"]}
    assert paid["userId"] == buyer
    assert developer.refuses("users", "fund", "usr_nobody", "1.00") == "USER_NOT_FOUND"
    assert developer.refuses("users", "fund", buyer, "much") == "FAUCET_REFUSED"
    assert developer.refuses("orders", "show", "ord_0") == "ORDER_NOT_FOUND"
    with Marketplace(str(stack.document["testKey"]), base_url=stack.url) as api:
        assert api.get_user_balance(buyer)["available"] == paid["available"]


def test_commands_about_webhooks_print_the_documented_json(
    stack: RunningStack, developer: Developer
) -> None:
    url = f"http://127.0.0.1:{free_port()}/hook"
    made = developer.says("webhooks", "create", url, "--events", "webhook.disabled,order.*")
    sent = developer.says("webhooks", "test", made["id"])
    deliveries = developer.says("webhooks", "deliveries", made["id"])["deliveries"]
    since = developer.says("webhooks", "resend", made["id"], "--since", made["createdAt"])
    listed = developer.says("webhooks", "list")["webhooks"]

    assert made["eventTypes"] == ["webhook.disabled", "order.*"]
    assert [one["id"] for one in deliveries] == [sent["id"]]
    assert since["webhookId"] == made["id"]
    assert made["id"] in {one["id"] for one in listed}
    assert made["secret"] not in json.dumps(listed)
    neither = developer.run("webhooks", "resend", made["id"])
    assert (neither.returncode, "--since" in neither.stderr) == (2, True)
    with Marketplace(str(stack.document["testKey"]), base_url=stack.url) as api:
        api.delete_webhook(made["id"])


def test_the_clock_of_a_test_marketplace_is_moved(
    stack: RunningStack, developer: Developer
) -> None:
    before = developer.says("clock", "show")
    after = developer.says("clock", "advance", "1s")
    live = developer.refuses(
        "clock", "advance", "1s", ORCHESTRATOR_API_KEY=str(stack.document["apiKey"])
    )

    assert after["clockOffsetSeconds"] == before["clockOffsetSeconds"] + 1
    assert live == "LIVE_MARKETPLACE"


def test_requests_of_the_key_are_listed_and_followed(developer: Developer) -> None:
    first, second = (f"ord_{uuid.uuid4().hex}" for _ in range(2))
    missed = ("logs", "--status", "404")
    assert developer.refuses("orders", "show", first) == "ORDER_NOT_FOUND"

    def is_listed() -> bool:
        paths = {one["path"] for one in developer.says(*missed)["requests"]}
        return f"/api/v1/orders/{first}" in paths

    wait_for(is_listed)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(developer.says, *missed, "--follow", "--count", "1")
        while not following.done():
            # One of these is after its start.
            developer.refuses("orders", "show", second)
        [found] = following.result()["requests"]

    assert (found["path"], found["code"]) == (f"/api/v1/orders/{second}", "ORDER_NOT_FOUND")
    shown = developer.run("logs", "--all", "--count", "1", "--status", "404").stdout.splitlines()
    assert len(shown) == 1
    assert shown[0].split()[1:4] == ["404", "GET", found["path"]]
    assert developer.refuses("logs", "--status", "none") == "VALIDATION_ERROR"


def test_changes_are_listed_by_what_they_were_made_to(
    stack: RunningStack, developer: Developer
) -> None:
    with Marketplace(str(stack.document["testKey"]), base_url=stack.url) as api:
        user = api.register_user(externalUserId=f"audited-{uuid.uuid4()}")
    of_user = ("audit", "--about", user["id"])

    [line] = developer.says(*of_user)["lines"]
    shown = developer.run(*of_user).stdout

    assert (line["action"], line["targetId"]) == ("user.register", user["id"])
    assert line["actor"].startswith("key:")
    assert shown.split() == [
        line[one] for one in ("at", "actor", "action", "targetId", "requestId")
    ]
    assert developer.says(*of_user, "--action", "order.release")["lines"] == []
    assert developer.says(*of_user, "--actor", "key:none")["lines"] == []
    assert developer.refuses("audit", "--since", "yesterday") == "VALIDATION_ERROR"


def test_events_are_printed_from_a_place_on(developer: Developer) -> None:
    everything = ("events", "tail", "--types", "order.*", "--after", "1-evt_0")
    first = developer.says(*everything, "--count", "1")

    said = developer.run(*everything, "--count", "1")
    assert first["event"]["eventId"] in said.stdout
    following = developer.says("events", "tail", "--after", first["place"], "--count", "1")
    assert following["event"]["eventId"] != first["event"]["eventId"]
    order = first["event"]["aggregateId"]
    listed = developer.says("events", "list", "--about", order, "--types", "order.created")
    assert [one["aggregateId"] for one in listed["events"]] == [order]


def test_what_people_read_is_in_columns_without_control_characters() -> None:
    found = [{"id": "ord_1", "title": "a\x1b[31mb\nc"}, {"id": "ord_22", "title": "d"}]

    answer = listed("orders", iter(found), most=5, show="id title")

    assert answer.lines == ["ord_1   a [31mb c", "ord_22  d"]
    assert answer.document == {"orders": found}
    assert listed("orders", iter(found), most=1, show="id").lines == ["ord_1"]
    assert listed("orders", iter([]), most=1, show="id").lines == []
