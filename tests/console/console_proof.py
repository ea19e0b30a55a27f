"""`make console`: the console in a real Chromium, on a desktop and on a phone.

Each test does what a person does, and ends with what must hold for every page: no request leaves
the origin, nothing is written to the browser's console, and axe finds no serious fault.
"""

import re
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from playwright.async_api import Route, expect

from deploy.local import token
from tests.console.conftest import Visit
from tests.e2e.routes import OUTSIDE
from tests.e2e.tenants import Tenant, key_store, tenant
from tests.e2e.test_webhooks import Receiver
from tests.patience import until
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of

# More than this must be approved by a second key.
_APPROVE = """
insert into orders.marketplaces (id, approval_above) values (%s, 10000000)
on conflict (id) do update set approval_above = 10000000
"""

# What the width of the page does not change is tried once.
ONCE = pytest.mark.parametrize("visit", ["desktop"], indirect=True)


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
    await page.get_by_role("link", name="Orders", exact=True).click()
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


async def test_dispute_is_split_after_a_preview(visit: Visit, own: Tenant, shop: Shop) -> None:
    page = visit.page
    sides = await shop.pair(amount="80.00")
    order = await shop.order_in("DISPUTED", sides, amount="80.00")
    case = (await shop.get(f"/orders/{order}"))["dispute"]["id"]
    await shop.post(f"/disputes/{case}/evidence", {"evidence": ["https://files.example/1.jpg"]})
    await visit.sign_in(await own.key("read", "support"))
    await page.get_by_role("link", name="Disputes", exact=True).click()
    await expect(page.get_by_role("link", name="Quality issue")).to_be_visible()
    data_of(await shop.post("/test/clock", {"advance": "25h"}))
    await expect(page.get_by_role("table").get_by_text("Overdue", exact=True)).to_be_visible()
    await page.get_by_label("Cases", exact=True).select_option("Overdue")
    await expect(page.get_by_text("Cases, the longest overdue first")).to_be_visible()
    await visit.check_access(name="disputes")
    await page.get_by_role("link", name="Quality issue").click()
    await expect(page.get_by_role("link", name="https://files.example/1.jpg")).to_be_visible()
    await expect(page.get_by_text("Answer due", exact=True)).to_be_visible()
    await expect(page.get_by_text("Decision due", exact=True)).to_be_visible()

    await page.get_by_label("Split between both").check()
    await page.get_by_label("To the seller", exact=True).fill("50.00")
    await expect(page.get_by_label("To the buyer", exact=True)).to_have_value("30.00")
    await page.get_by_label("Note to both sides").fill("The drafts were never delivered")
    await page.get_by_role("button", name="Preview the decision").click()
    asked = page.get_by_role("dialog")
    await expect(asked).to_contain_text("nothing has changed yet")
    await expect(asked.get_by_role("row", name=re.compile(sides.buyer))).to_contain_text("30.00")
    await visit.check_access(name="preview")
    await visit.picture("decision")
    assert (await shop.get(f"/orders/{order}"))["status"] == "DISPUTED"

    await asked.get_by_role("button", name="Decide and pay").click()
    await expect(asked).to_be_hidden()
    await expect(page.get_by_text("Decided by")).to_be_visible()
    # The audit trail has what was done to the case.
    await visit.go(f"audit?targetId={case}")
    await expect(page.get_by_role("button", name="dispute.add_evidence")).to_be_visible()
    await visit.check_access(name="audit")
    assert await shop.balance(sides.buyer) == ("30.00", "0.00")
    assert await shop.balance(sides.seller) == ("50.00", "0.00")


async def test_withdrawal_is_approved_by_another_key(visit: Visit, own: Tenant, shop: Shop) -> None:
    page = visit.page
    with psycopg.connect(str(own.stack.document["databaseUrl"])) as connection:
        connection.execute(_APPROVE, (own.id,))
    user = await shop.user()
    await shop.give(user, "20.00")
    body = {"userId": user, "amount": "12.00", "destination": OUTSIDE, "commit": True}
    made = data_of(await shop.post("/withdrawals", body))
    assert made["status"] == "AWAITING_APPROVAL"
    await visit.sign_in(await own.key("read", "write"))
    await page.get_by_role("link", name="Withdrawals", exact=True).click()
    await visit.check_access(name="withdrawals")

    await page.get_by_role("button", name=re.compile("Approve 12.00")).first.click()
    asked = page.get_by_role("dialog")
    await expect(asked.get_by_role("row", name=re.compile(user))).to_contain_text("8.00")
    await visit.picture("withdrawal")
    await asked.get_by_role("button", name="Approve", exact=True).click()

    await expect(page.get_by_text("No withdrawal waits for an approval.")).to_be_visible()
    await expect(page.get_by_text("Completed", exact=True).last).to_be_visible()
    assert await shop.balance(user) == ("8.00", "0.00")


async def test_delivery_of_a_webhook_is_sent_again(
    visit: Visit, own: Tenant, shop: Shop, receiver: Receiver
) -> None:
    page = visit.page
    body = {"url": receiver.url, "eventTypes": ["order.*"], "description": "The shop"}
    data_of(await shop.post("/webhooks", body), status=201)
    await shop.order(await shop.pair())
    await receiver.got(1)
    await visit.sign_in(await own.key("read", "write"))
    await page.get_by_role("link", name="Webhooks", exact=True).click()
    await page.get_by_role("link", name=receiver.url).click()

    again = page.get_by_role("button", name=re.compile("Send order.created .* again"))
    await again.click()
    # The first try is lost on its way; the second has the same key.
    keys: list[str | None] = []

    async def lose_the_first(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        await (route.abort() if len(keys) == 1 else route.continue_())

    await page.route("**/resend", lose_the_first)
    asked = page.get_by_role("dialog")
    await asked.get_by_role("button", name="Send again").click()
    await expect(asked.get_by_role("alert")).to_contain_text("UNREACHABLE")
    await asked.get_by_role("button", name="Try again").click()
    await receiver.got(2)
    assert keys[0]
    assert keys == [keys[0]] * 2

    first, second = (headers["webhook-id"] for headers, _ in receiver.received)
    assert first == second
    await expect(again).to_be_visible()
    await visit.check_access(name="webhook")
    await visit.picture("webhook")


async def test_every_view_is_shown_to_a_key_that_may_only_read(
    visit: Visit, own: Tenant, shop: Shop
) -> None:
    page = visit.page
    sides = await shop.pair(amount="200.00")
    await shop.order_in("IN_PROGRESS", sides, amount="30.00")
    await shop.act(await shop.order_in("IN_PROGRESS", sides, amount="20.00"), "release")
    await visit.sign_in(await own.key("read"))

    await expect(page.get_by_role("img", name=re.compile("at most 50.00, now"))).to_be_visible()
    await visit.check_access(name="overview")
    await visit.picture("overview")
    for place, told in (
        ("users", sides.buyer),
        (f"users/{sides.buyer}", "USDC on chain"),
        ("books", "Fee, party API"),
        ("books", "I1 every asset sums to zero"),
        ("webhooks", "There are no webhooks."),
        # A scope that the key lacks is named.
        ("keys", "This credential lacks the scope “admin”."),
        ("orders/ord_0000000000000000000000", "ORDER_NOT_FOUND"),
    ):
        await visit.go(place)
        await expect(page.get_by_text(told).first).to_be_visible()
        await visit.check_access(name=place)


async def test_console_is_used_with_the_keyboard_alone(
    visit: Visit, own: Tenant, shop: Shop
) -> None:
    page, press = visit.page, visit.page.keyboard.press
    sides = await shop.pair()
    for title in ("The older one", "The newer one"):
        await shop.order(sides, title=title)
    await visit.sign_in(await own.key())
    await press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()

    await press("g")
    await press("o")
    await expect(page.get_by_role("link", name="The newer one")).to_be_visible()
    await press("j")
    await press("j")
    await expect(page.get_by_role("link", name="The older one")).to_be_focused()
    await press("k")
    await press("/")
    await expect(page.get_by_label("Words")).to_be_focused()
    await page.get_by_role("link", name="The older one").focus()
    await press("Enter")
    await expect(page.get_by_role("heading", name="The older one")).to_be_visible()

    # A dialog keeps the focus, closes with Esc, and gives the focus back.
    await press("?")
    shown = page.get_by_role("dialog", name="Shortcuts")
    await expect(shown).to_be_visible()
    for _ in range(6):
        await press("Tab")
        assert await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    await press("Escape")
    await expect(shown).to_be_hidden()

    await press("g")
    await press("e")
    # Two from before, and one that is heard.
    await expect(page.get_by_text("order.created", exact=True)).to_have_count(2)
    await shop.order(sides, title="Heard live")
    await expect(page.get_by_text("order.created", exact=True)).to_have_count(3)
    await visit.check_access(name="events")


@ONCE
async def test_person_sees_their_balance_and_orders(visit: Visit) -> None:
    document = visit.stack.document
    async with Shop.of(visit.stack) as demo:
        sides = await demo.pair(amount="40.00")
        await demo.order_in("FUNDS_RESERVED", sides, amount="15.50")
        buyer = await demo.get(f"/users/{sides.buyer}")
    await visit.sign_in(token.mint(document, subject=uuid.UUID(buyer["uuid"])))

    await expect(visit.page.get_by_role("heading", name="My orders")).to_be_visible()
    await expect(visit.page.get_by_text("24.50")).to_be_visible()
    await expect(visit.page.get_by_text("15.50").first).to_be_visible()
    await visit.check_access(name="mine")


@ONCE
async def test_text_stays_text_and_amounts_stay_exact(
    visit: Visit, own: Tenant, shop: Shop
) -> None:
    title = "<img src=x onerror=alert(1)> & <b>bold</b>"
    await shop.order(await shop.pair(), title=title)
    await visit.sign_in(await own.key("read"))
    await visit.go("orders")
    await expect(visit.page.get_by_role("link", name=title)).to_be_visible()

    await visit.page.get_by_role("button", name="Export CSV").click()
    async with visit.page.expect_download() as coming:
        await visit.page.get_by_role("dialog").get_by_role("button", name="Export").click()
    downloaded = await coming.value
    assert downloaded.suggested_filename == "orders.csv"
    assert title in Path(await downloaded.path()).read_text()  # noqa: ASYNC240 - one small file

    printed = await visit.page.evaluate("""async () => {
        const { units, fromUnits, money } = await import("/console/format.js");
        const rest = (whole, part) => fromUnits(units(whole) - units(part));
        return [rest("80.00", "50.00"), rest("80.00", "49.9999999"), rest("123456789012345", "0.1"),
            money("-1234567.5000001"), ["", "1e3", "-1", "1.12345678", " 1,5"].map(units).join("")];
    }""")

    assert printed == [
        "30.00",
        "30.0000001",
        "123456789012344.90",
        "\N{MINUS SIGN}1,234,567.5000001",
        "",
    ]


async def test_person_of_support_takes_and_previews_a_case(visit: Visit) -> None:
    page, document = visit.page, visit.stack.document
    async with Shop.of(visit.stack) as demo:
        order = await demo.order_in("DISPUTED", await demo.pair(amount="20.00"), amount="20.00")
        case = (await demo.get(f"/orders/{order}"))["dispute"]["id"]
    await visit.sign_in(token.mint(document, subject=uuid.uuid4(), role="support", name="Ann"))
    await expect(page.get_by_role("heading", name="Disputes")).to_be_visible()
    assert await page.get_by_role("link", name="Webhooks").count() == 0
    await visit.go(f"disputes/{case}")

    await page.get_by_label("Write to both sides").fill("Which figures are missing?")
    await page.get_by_role("button", name="Write to both sides").click()
    await expect(page.get_by_role("listitem").filter(has_text="Which figures")).to_contain_text(
        "Ann"
    )
    await page.get_by_label("Write a note for support").fill("The seller has sent them before")
    await page.get_by_role("button", name="Write a note for support").click()
    await expect(page.get_by_role("listitem").filter(has_text="sent them before")).to_be_visible()
    await visit.check_access(name="a case")
    await page.get_by_role("button", name="Assign", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Assign").click()
    await expect(page.get_by_role("button", name="Assign to another")).to_be_visible()
    await page.get_by_role("button", name="Give back").click()
    await page.get_by_role("dialog").get_by_role("button", name="Give back").click()
    await expect(page.get_by_role("button", name="Assign", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Preview the decision").click()
    await expect(page.get_by_role("dialog")).to_contain_text("nothing has changed yet")


@ONCE
async def test_orders_are_found_by_reference_and_day(visit: Visit, own: Tenant, shop: Shop) -> None:
    page, sides = visit.page, await shop.pair()
    body = {"buyerId": sides.buyer, "sellerId": sides.seller, "amount": "7.00"}
    for title in ("Wanted", "Another"):
        given = {**body, "title": title, "clientOrderRef": f"cart {title}"}
        data_of(await shop.post("/orders", given), status=201)

    # The words of an order are written down some seconds after it was created.
    async def is_written_down() -> bool:
        return bool((await shop.client.get("/orders", params={"text": "wanted"})).json()["data"])

    await until(is_written_down)
    await visit.sign_in(await own.key("read"))
    await visit.go("orders")
    await expect(page.get_by_role("link", name="Another")).to_be_visible()

    await page.get_by_label("Your reference").fill("cart Wanted")
    await expect(page.get_by_role("link", name="Another")).to_be_hidden()
    await expect(page.get_by_role("link", name="Wanted")).to_be_visible()
    await page.get_by_label("Your reference").fill("")
    await expect(page.get_by_role("link", name="Another")).to_be_visible()
    await page.get_by_label("Words").fill("wanted")
    await expect(page.get_by_role("link", name="Another")).to_be_hidden()
    await expect(page.get_by_role("link", name="Wanted")).to_be_visible()
    await page.get_by_label("Created from").fill("2099-01-01")
    await expect(page.get_by_text("No order fits these filters.")).to_be_visible()
    assert "createdFrom=2099-01-01" in page.url


async def test_a_refused_request_is_found_in_the_log(visit: Visit, own: Tenant, shop: Shop) -> None:
    page, order = visit.page, f"ord_{uuid.uuid4().hex}"
    assert (await shop.client.get(f"/orders/{order}")).status_code == 404
    assert (await shop.client.get("/orders")).status_code == 200

    async def is_listed() -> bool:
        return len((await shop.client.get("/requests")).json()["data"]) >= 2

    await until(is_listed)
    await visit.sign_in(await own.key("read"))
    await page.get_by_role("link", name="Requests", exact=True).click()
    await expect(page.get_by_role("button", name="GET /api/v1/orders", exact=True)).to_be_visible()

    await page.get_by_label("Answer").select_option("4xx")
    await expect(page.get_by_role("button", name="GET /api/v1/orders", exact=True)).to_be_hidden()
    await visit.check_access(name="requests")
    await page.get_by_role("button", name=re.compile(order)).click()
    asked = page.get_by_role("dialog")
    await expect(asked).to_contain_text("ORDER_NOT_FOUND")
    await expect(asked).to_contain_text(f"/api/v1/orders/{order}")
    await visit.check_access(name="request")


@ONCE
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
    # A sign-in link of another marketplace, opened in this tab, leaves nothing of this one.
    await visit.sign_in(str(visit.stack.document["apiKey"]))
    await expect(page.get_by_text("demo", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_label("API key")).to_be_visible()
    assert await page.evaluate("Object.keys(sessionStorage).length + localStorage.length") == 0
