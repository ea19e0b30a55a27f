"""schemathesis on the party API's OpenAPI document; `make prove` runs it for longer.

All checks are on except UNFIT: no 5xx; no undocumented status, content type, header or body;
invalid data is refused; valid data is accepted; a token is required; unknown methods are refused.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local import token
from deploy.local.settings import child_environment
from tests import settings
from tests.e2e.fuzzing import Report, write_report
from tests.e2e.routes import OUTSIDE
from tests.people import Person, answer_of, pair
from tests.shop import Shop

pytestmark = pytest.mark.slow

PHASES = "examples,coverage,fuzzing,stateful"
# It asks for the dispute of an order that was made a moment ago, and there is none yet: 404.
UNFIT = "ensure_resource_availability"
ORDERS_EACH = 2
OFFER = "{offer_id}"
DELIVERING = "POST /orders/{order_id}/deliver"
# How an order is brought to where a route can do something to it. The token is the personal
# user's; what it delivers is what the other has bought of it.
ROUTES: Mapping[str, tuple[str, ...]] = {
    "GET /orders/{order_id}": (),
    "POST /orders/{order_id}/pay": (),
    "POST /orders/{order_id}/cancel": (),
    "POST /orders/{order_id}/confirm": ("pay",),
    "POST /orders/{order_id}/dispute": ("pay",),
    "GET /orders/{order_id}/dispute": ("pay", "dispute"),
    "POST /orders/{order_id}/dispute/evidence": ("pay", "dispute"),
    "POST /orders/{order_id}/dispute/messages": ("pay", "dispute"),
    "GET /orders/{order_id}/dispute/messages": ("pay", "dispute"),
    "GET /orders/{order_id}/receipt": ("pay", "confirm"),
    "POST /orders/{order_id}/offers": ("pay",),
    "GET /orders/{order_id}/offers": ("pay",),
    "GET /orders/{order_id}/offers/{offer_id}": ("pay",),
    "POST /orders/{order_id}/offers/{offer_id}/accept": ("pay",),
    "POST /orders/{order_id}/offers/{offer_id}/decline": ("pay",),
    DELIVERING: ("pay",),
}
WITHDRAWALS = (
    "GET /me/withdrawals/{withdrawal_id}",
    "POST /me/withdrawals/{withdrawal_id}/commit",
    "POST /me/withdrawals/{withdrawal_id}/cancel",
)
# What the business answers to a request that no schema can find fault with; 422 is that for too
# little money, for more links than one case may have, for events that there are none of, for an
# address that cannot be paid, for a cursor that no page gave, and for a business that is the buyer.
_SETTINGS = """
hooks = "tests.e2e.party_aim"
request-timeout = 70
continue-on-failure = true
warnings = false

[headers]
Authorization = "Bearer {token}"

[generation]
with-security-parameters = false

[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", 403, 404, 409]

[[operations]]
include-path = [
  "/api/v1/orders/{{order_id}}/dispute/evidence",
  "/api/v1/orders/{{order_id}}/dispute/messages",
  "/api/v1/orders/{{order_id}}/pay",
  "/api/v1/me/withdrawals",
  "/api/v1/me/balance/entries",
  "/api/v1/me/statement.csv",
  "/api/v1/orders/",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", 403, 404, 409, 422]

[[operations]]
include-path = "/api/v1/events"
max-stream-events = 1
request-timeout = 5
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]
"""


async def objects(one: Person, other: Person) -> dict[str, list[str]]:
    """Create objects for the requests with a person's token; returns their ids by route."""

    async def brought(buyer: Person, business: Person, way: tuple[str, ...]) -> str:
        order_id = await buyer.order(business, amount="1.00")
        for step in way:
            answer_of(await buyer.act(order_id, step), status=201 if step == "dispute" else 200)
        return order_id

    async def several(route: str, way: tuple[str, ...]) -> list[str]:
        sides = (other, one) if route == DELIVERING else (one, other)
        made = (brought(*sides, way) for _ in range(ORDERS_EACH))
        orders = list(await asyncio.gather(*made))
        return [await offered(order_id) for order_id in orders] if OFFER in route else orders

    async def offered(order_id: str) -> str:
        """Let the business make an offer; returns both ids, which the hook takes apart."""
        offer = await other.offer(order_id, refund=0.4)
        return f"{order_id} {offer['id']}"

    found = await asyncio.gather(*(several(route, way) for route, way in ROUTES.items()))
    known = {documented(route): ids for route, ids in zip(ROUTES, found, strict=True)}
    for route in WITHDRAWALS:
        made = [await withdrawal(one) for _ in range(ORDERS_EACH)]
        known[documented(route)] = made
    return {**known, "business": [str(other.id)], "outside": [OUTSIDE]}


async def withdrawal(person: Person) -> str:
    """Create a withdrawal; returns its id."""
    body = {"amount": 0.01, "destination": OUTSIDE}
    return str(answer_of(await person.client.post("/me/withdrawals", json=body), status=201)["id"])


def documented(route: str) -> str:
    """Return a route's name in the document."""
    return route.replace(" ", " /api/v1")


async def fuzz(folder: Path, shop: Shop, *, examples: int) -> Report:
    """Run schemathesis with a person's token."""
    async with contextlib.AsyncExitStack() as opened:
        one, other = await pair(opened, shop, amount="1000.00")
        await shop.give(str(other.id), "100.00")
        known = await objects(one, other)
    minted = token.mint(shop.stack.document, subject=one.id)
    prepare(folder, known=known, minted=minted)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"{shop.stack.url}/party/openapi.json",
        *("--checks", "all", "--exclude-checks", UNFIT, "--no-color", "--report", "json"),
        *("--report-json-path", "report.json", "--phases", PHASES, "-n", str(examples)),
        "--generation-deterministic",
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
    return report_in(folder, printed.decode())


def prepare(folder: Path, *, known: Mapping[str, list[str]], minted: str) -> None:
    """Write the input files of schemathesis."""
    (folder / "objects.json").write_text(json.dumps(known), encoding="utf-8")
    (folder / "schemathesis.toml").write_text(_SETTINGS.format(token=minted), encoding="utf-8")


def report_in(folder: Path, printed: str) -> Report:
    """Read the report of schemathesis."""
    path = folder / "report.json"
    assert path.exists(), printed
    return Report(figures=json.loads(path.read_text(encoding="utf-8")), text=printed)


async def test_every_response_is_documented_in_openapi(shop: Shop, tmp_path: Path) -> None:
    examples = settings.fuzz_examples()

    report = await fuzz(tmp_path, shop, examples=examples)

    assert report.problems == 0, report.text
    assert report.figures["complete"], report.text
    # What was tried is the whole document, and every operation was once carried out.
    operations = report.figures["operations"]
    assert operations["tested"] == operations["total"] == len(report.accepted)
    assert [name for name, count in report.accepted.items() if count == 0] == []
    if (folder := settings.reports_folder()) is not None:
        path = folder / "schemathesis-party.md"
        write_report(path, report, api="party", examples=examples, without=UNFIT)
