"""Exports of a running stack: what the lists say, of one marketplace, by route and by command."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.tenants import Tenant, a_fee_withdrawal, a_withdrawal, earn, key_store, tenant
from tests.operating import operate
from tests.running_stack import RunningStack
from tests.shop import Pair, Shop

TITLE = '=HYPERLINK("http://evil.example"),\r\n"Größe"'
# The file of each list.
FILES = {
    "/exports/orders.csv": "/orders",
    "/exports/withdrawals.csv": "/withdrawals",
    "/exports/platform.csv": "/platform/entries",
    "/exports/fee-withdrawals.csv": "/platform/withdrawals",
    "/exports/audit.csv": "/audit",
    "/users/{user}/statement.csv": "/users/{user}/balance/entries",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A marketplace with something in each list."""

    tenant: Tenant
    shop: Shop
    pair: Pair


@pytest.fixture(scope="module")
async def home(stack: RunningStack) -> AsyncIterator[Home]:
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        async with own.shop() as shop:
            pair = await shop.pair(amount="20.00")
            await shop.order(pair, amount="5.00", title=TITLE)
            await shop.order_in("FUNDS_RESERVED", pair, amount="6.00")
            await a_withdrawal(shop, pair.buyer)
            await a_fee_withdrawal(shop)
            await earn(shop, minor_units=5_000_000)
            yield Home(tenant=own, shop=shop, pair=pair)


def rows(text: str) -> list[dict[str, str]]:
    """Read a file back."""
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def as_cell(value: Any) -> str:
    """Say what a cell has for a value of the list."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value == TITLE else value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize("path", FILES)
async def test_a_file_has_the_objects_of_its_list(home: Home, path: str) -> None:
    file, listed = (one.replace("{user}", home.pair.buyer) for one in (path, FILES[path]))

    answer = await home.shop.client.get(file)
    found = (await home.shop.client.get(listed, params={"limit": 100})).json()["data"]

    assert answer.status_code == 200, answer.text
    assert rows(answer.text) == [
        {name: as_cell(value) for name, value in one.items()} for one in found
    ]
    assert found


async def test_a_file_has_nothing_of_another_marketplace(home: Home, stack: RunningStack) -> None:
    async with key_store(stack) as store:
        stranger = await tenant(stack, store)
        async with stranger.shop() as theirs:
            own = await theirs.user()
            for path in FILES:
                answer = await theirs.client.get(path.replace("{user}", own))
                assert answer.status_code == 200, answer.text
                # Only lines of the audit trail are there, of the stranger's own.
                owners = {one.get("marketplaceId") for one in rows(answer.text)}
                assert owners <= {str(stranger.id)}, path
            foreign = await theirs.client.get(f"/users/{home.pair.buyer}/statement.csv")
    assert foreign.status_code == 404


async def test_the_command_prints_the_file(home: Home) -> None:
    key = await home.tenant.key("read")
    place = {"ORCHESTRATOR_URL": home.shop.stack.url, "ORCHESTRATOR_API_KEY": key}

    def exported(*arguments: str) -> Any:
        return operate(home.shop.stack.run_dir, "export", *arguments, **place)

    done = await asyncio.to_thread(exported, "orders", "--from", "2026-01-01")
    statement = await asyncio.to_thread(exported, "statement", "--user", home.pair.buyer)
    none = await asyncio.to_thread(exported, "orders", "--to", "2026-01-01")
    refused = await asyncio.to_thread(exported, "fees")
    wrong = await asyncio.to_thread(exported, "statement")
    bad = await asyncio.to_thread(exported, "orders", "--from", "soon", "--json")

    assert (done.returncode, len(rows(done.stdout))) == (0, 2), done.stderr
    # A test reads what a program printed with other ends of lines.
    assert rows(done.stdout)[1]["title"] == f"'{TITLE}".replace("\r", "")
    assert len(rows(statement.stdout)) == 2
    assert (none.returncode, rows(none.stdout)) == (0, [])
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "INSUFFICIENT_SCOPE" in refused.stderr
    assert (wrong.returncode, "--user" in wrong.stderr) == (2, True)
    assert json.loads(bad.stdout)["error"]["reason"] == "VALIDATION_ERROR"
