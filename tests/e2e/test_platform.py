"""The platform's own money over REST: seen by an admin key alone."""

import contextlib
from decimal import Decimal
from typing import Any

from deploy.operator.client import Operator
from tests.books import assert_sound
from tests.e2e.tenants import client_of, key_store, tenant
from tests.people import answer_of, pair
from tests.running_stack import RunningStack
from tests.shop import Shop, error_of


def moved(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """Return what was earned, borne and withdrawn meanwhile."""
    names = ("feesEarned", "feesBorne", "feesWithdrawn")
    return tuple(f"{Decimal(after[name]) - Decimal(before[name]):.2f}" for name in names)


async def test_fee_of_an_order_is_earned_and_seen(shop: Shop, operator: Operator) -> None:
    before = await shop.get("/platform/balance")
    async with contextlib.AsyncExitStack() as opened:
        buyer, business = await pair(opened, shop, amount="150.00")
        order = await buyer.order(business)
        answer_of(await buyer.act(order, "pay"))
        answer_of(await buyer.act(order, "confirm"))
        await shop.quiet(order)

    earned = await shop.get("/platform/balance")
    lines = (await shop.client.get("/platform/entries", params={"limit": 2})).json()

    assert moved(before, earned) == ("15.00", "0.45", "0.00")
    assert [(one["account"], one["change"]) for one in lines["data"]] == [
        ("FEES_BORNE", "-0.45"),
        ("FEES_EARNED", "15.00"),
    ]
    await assert_sound(operator)


async def test_keys_without_the_admin_scope_see_nothing_of_it(stack: RunningStack) -> None:
    async with key_store(stack) as store:
        own = await tenant(stack, store)
        async with client_of(stack, await own.key("read", "write", "support")) as lesser:
            for path in ("/platform/balance", "/platform/entries"):
                error = error_of(await lesser.get(path), status=403)
                assert error["code"] == "INSUFFICIENT_SCOPE"
        async with own.shop("admin") as admin:
            found = await admin.get("/platform/balance")
    amounts = {value for name, value in found.items() if name != "currency"}
    assert amounts == {"0.00"}
