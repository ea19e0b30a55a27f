"""`make console`: the console in a real Chromium, on a desktop and on a phone.

Each test does what a person does, and ends with what must hold for every page: no request leaves
the origin, nothing is written to the browser's console, and axe finds no serious fault.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.running_stack import RunningStack
from tests.shop import Shop


@pytest.fixture
async def own(stack: RunningStack) -> AsyncIterator[Tenant]:
    """A marketplace of one test alone."""
    async with key_store(stack) as store:
        yield await tenant(stack, store, environment="test")


@pytest.fixture
async def shop(own: Tenant) -> AsyncIterator[Shop]:
    async with own.shop() as opened:
        yield opened


async def test_purchase_is_followed_live(visit: Visit, own: Tenant, shop: Shop) -> None:
    page = visit.page
    await visit.sign_in(await own.key("read"))
    await expect(page.get_by_text("There are no orders yet.")).to_be_visible()

    # Each appears and changes without a reload.
    sides = await shop.pair(amount="200.00")
    order = await shop.order(sides, title="Wedding photos")
    await page.get_by_role("link", name="Wedding photos").click()
    await expect(page.get_by_role("heading", name="Wedding photos")).to_be_visible()
    for command, told in (
        ("reserve", "Order funds reserved"),
        ("escrow", "Deploy escrow"),
        ("fund", "Order in progress"),
        ("release", "Order closed"),
    ):
        await shop.act(order, command, Prefer="wait=30")
        await expect(page.get_by_text(told, exact=True)).to_be_visible()
    await expect(page.get_by_text("Released", exact=True).first).to_be_visible()

    await visit.check_access(name="order")
    await visit.picture("order")


async def test_sign_in_is_refused_plainly_and_forgotten(visit: Visit, own: Tenant) -> None:
    page = visit.page
    await page.goto(f"{visit.url}/console/")
    await page.get_by_label("API key").fill("ohk_live_nobody")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("INVALID_API_KEY")
    await visit.check_access(name="sign in")

    await page.get_by_label("API key").fill(await own.key("read"))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_label("API key")).to_be_visible()
    assert await page.evaluate("Object.keys(sessionStorage).length + localStorage.length") == 0
