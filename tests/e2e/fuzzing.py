"""Run schemathesis on a running stack's OpenAPI document, with a marketplace of its own.

All of its checks are on: no 5xx; no undocumented status, content type, header or body; invalid data
is refused; valid data is accepted; credentials are required; unknown methods are refused.
"""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.settings import child_environment
from kernel.money import CENT
from tests.e2e.routes import MILESTONE, STATES, routes
from tests.e2e.tenants import (
    Tenant,
    a_fee_withdrawal,
    a_fee_withdrawal_to_approve,
    a_logged_request,
    a_webhook,
    a_withdrawal,
    a_withdrawal_to_approve,
    an_event,
    block_seller,
    earn,
    webhooks_to_act_on,
)
from tests.shop import Pair, Shop, data_of

ORDERS_EACH = 2
SPARE_KEYS = 4
# A body that is too large (413) is refused as any wrong one.
# Besides: what the business answers to a request that no schema can find fault with. 400 is that
# for a cursor that was not given out, and for more links than one case may have.
_SETTINGS = """
hooks = "tests.e2e.fuzz_aim"
request-timeout = 70
continue-on-failure = true
warnings = false

[headers]
Authorization = "Bearer {key}"

[generation]
with-security-parameters = false

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 422]

[[operations]]
include-method = "GET"
max-stream-events = 1
request-timeout = 5
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]

[[operations]]
include-path = "/api/v1/disputes/{{id}}/evidence"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404, 409]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of a run. figures: schemathesis' report; text: its output."""

    figures: Mapping[str, Any]
    text: str

    @property
    def requests(self) -> int:
        """How many requests were made."""
        return int(self.figures["test_cases"]["generated"])

    @property
    def problems(self) -> int:
        """How many failures and errors there were."""
        return len(self.figures["failures"]) + len(self.figures["errors"])

    @property
    def accepted(self) -> dict[str, int]:
        """How many requests each operation accepted, over all phases."""
        return {
            operation: sum(phase["accepted"] for phase in phases.values())
            for operation, phases in self.figures["valid_rates"].items()
        }


async def fuzz(tenant: Tenant, folder: Path, *, arguments: tuple[str, ...]) -> Report:
    """Run schemathesis with a key of the marketplace. arguments: what to test, and how often."""
    async with tenant.shop() as shop:
        objects = await _populate(shop)
    _prepare(folder, objects=objects, key=await tenant.key())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{tenant.stack.url}/openapi.json"),
        *("--checks", "all", "--no-color", "--report", "json"),
        *("--report-json-path", "report.json", *arguments),
        cwd=folder,
        env=child_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return _report(folder, printed.decode())


def _prepare(folder: Path, *, objects: Mapping[str, list[str]], key: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "objects.json").write_text(json.dumps(objects), encoding="utf-8")
    (folder / "schemathesis.toml").write_text(_SETTINGS.format(key=key), encoding="utf-8")


def _report(folder: Path, printed: str) -> Report:
    path = folder / "report.json"
    assert path.exists(), printed
    return Report(figures=json.loads(path.read_text(encoding="utf-8")), text=printed)


async def _populate(shop: Shop) -> dict[str, list[str]]:
    """Create objects for the requests; returns their ids by path."""
    pair = await shop.pair(amount="1000.00")
    users = [pair.buyer, pair.seller]
    found = {
        f"/api/v1{route.path}": users
        for route in routes(shop.stack)
        if route.needs_id and route.kind in {"users", "balances"}
    }
    for route in (one for one in routes(shop.stack) if one.needs_id and one.kind == "withdrawals"):
        make = a_withdrawal_to_approve if route.path.endswith("/approve") else a_withdrawal
        made = [await make(shop, pair.buyer) for _ in range(ORDERS_EACH)]
        found[f"/api/v1{route.path}"] = made
    acted, spare = await webhooks_to_act_on(shop), [await a_webhook(shop) for _ in range(2)]
    for route in (one for one in routes(shop.stack) if one.needs_id and one.kind == "webhooks"):
        left = spare[1:] if route.method == "DELETE" else spare[:1]
        found[f"/api/v1{route.path}"] = [acted[route.path]] if route.path in acted else left
    await earn(shop, minor_units=10_000 * CENT)
    for route in (one for one in routes(shop.stack) if one.needs_id and one.kind == "platform"):
        approving = route.path.endswith("/approve")
        make_fee = a_fee_withdrawal_to_approve if approving else a_fee_withdrawal
        found[f"/api/v1{route.path}"] = [await make_fee(shop) for _ in range(ORDERS_EACH)]
    answers = [await shop.post("/auth/api-keys", {"scopes": ["read"]}) for _ in range(SPARE_KEYS)]
    keys = [data_of(answer, status=201)["id"] for answer in answers]
    acted_on = await asyncio.gather(*(_objects(shop, pair, path) for path in STATES))
    found |= {f"/api/v1{path}": ids for path, ids in zip(STATES, acted_on, strict=True)}
    found["/api/v1/events/{id}"] = [await an_event(shop)]
    found["/api/v1/requests/{id}"] = [await a_logged_request(shop)]
    return {**found, "users": users, "/api/v1/auth/api-keys/{id}": keys}


async def _objects(shop: Shop, pair: Pair, path: str) -> list[str]:
    """Create orders that a path can act on; returns their ids, or the ids of their disputes."""
    state, parts = STATES[path], {MILESTONE: "1.00"} if "{ref}" in path else None
    orders = await asyncio.gather(
        *(shop.order_in(state, pair, amount="1.00", milestones=parts) for _ in range(ORDERS_EACH))
    )
    if "{offerId}" in path:
        # Both ids, which the hook takes apart.
        made = [
            await shop.post(f"/orders/{name}/offers", {"refundAmount": "0.40"}) for name in orders
        ]
        ids = [data_of(answer, status=201)["id"] for answer in made]
        return [f"{name} {offer}" for name, offer in zip(orders, ids, strict=True)]
    if path.endswith("/redirect-payout"):
        for name in orders:
            await block_seller(shop, name)
    if not path.startswith("/disputes"):
        return orders
    disputes = [(await shop.get(f"/orders/{name}"))["dispute"]["id"] for name in orders]
    if path.endswith("/unassign"):
        for name in disputes:
            data_of(await shop.post(f"/disputes/{name}/assign", {"agentId": "agent-7"}))
    return disputes


def write_report(
    path: Path, report: Report, *, examples: int, api: str = "marketplace", without: str = ""
) -> None:
    """Write a run's figures for people.

    examples: requests generated for each operation. without: a check that was off.
    """
    figures = report.figures
    lines = [
        f"# schemathesis over the {api} API",
        "",
        f"Written by `make prove` on {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC: schemathesis",
        f"{figures['schemathesis_version']}, its boundary values and up to {examples} generated",
        "requests for each operation, deterministic, against a whole stack.",
        "",
        "| | |",
        "|---|---|",
        f"| operations tried | {figures['operations']['tested']} |",
        f"| requests made | {report.requests} |",
        f"| failures | {len(figures['failures'])} |",
        f"| errors | {len(figures['errors'])} |",
        f"| seconds | {round(figures['running_time'])} |",
        "",
        f"Every check was on{f', but {without}' if without else ''}:",
        "no 5xx, no status, content type, header or body that the document",
        "does not name, wrong data refused, right data accepted, credentials asked for.",
        "",
        "Requests that were accepted (2xx), of each operation:",
        "",
        "| operation | accepted |",
        "|---|---|",
        *(f"| {name} | {count} |" for name, count in sorted(report.accepted.items())),
        "",
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
