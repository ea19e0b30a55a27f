"""`kill -9` of each process during a release: the order closes and is paid once."""

import asyncio
import contextlib
import uuid

import httpx
import psycopg
import pytest

from deploy.local.demo.purchase import PRICE, Purchase, minor_units, wait_for
from deploy.operator.client import Operator
from deploy.operator.reconcile import differing
from kernel.ids import from_public
from tests.running_stack import RunningStack, new_purchase

pytestmark = pytest.mark.slow

# At once: the release has just begun. After the first transaction: it is half done on chain.
AT_ONCE, HALF_DONE = 0, 1
KILLS = [
    *((name, AT_ONCE) for name in ("gateway", "postgres")),
    *(
        (name, moment)
        for name in ("orders", "ledger", "escrow", "disputes", "devnet")
        for moment in (AT_ONCE, HALF_DONE)
    ),
]

# Every change of the order, once, whatever died and was repeated.
TOLD = [
    f"order.{verb}" for verb in ("create", "reserve", "create_escrow", "fund_escrow", "release")
]


async def in_progress(purchase: Purchase) -> uuid.UUID:
    """Create an order that is IN_PROGRESS; returns its UUID."""
    await purchase.register()
    await purchase.deposit()
    await purchase.create()
    await purchase.reserve()
    await purchase.create_escrow()
    assert await purchase.fund() == "IN_PROGRESS"
    order_id = from_public("ord", purchase.order_id)
    assert order_id is not None
    return order_id


async def released_by(stack: RunningStack, purchase: Purchase) -> None:
    """Request the release once; whatever the response, the work is accepted."""
    document = stack.document
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=60) as client:
            await client.post(
                f"{document['url']}/api/v1/orders/{purchase.order_id}/resolution/release",
                headers={"Authorization": f"Bearer {document['apiKey']}"},
                json={"requestedBy": "BUYER"},
            )


@pytest.mark.parametrize(("process", "transactions"), KILLS)
async def test_killed_process_leaves_the_order_closed_and_paid_once(
    stack: RunningStack, process: str, transactions: int
) -> None:
    async with new_purchase(stack) as (purchase, operator):
        order_id = await in_progress(purchase)
        before = len(await operator.transactions(order_id))
        logged = len(stack.process.log())

        release = asyncio.create_task(released_by(stack, purchase))
        await wait_for(
            lambda: has_started(purchase, operator, order_id, before + transactions),
            what="the release did not start",
        )
        stack.kill(process)
        await asyncio.to_thread(stack.wait_until_back, process, since=logged)
        await release
        await wait_for(purchase.is_closed, what="the order did not close")

        await assert_paid_once(purchase, operator)
        assert told(stack, purchase) == TOLD


def told(stack: RunningStack, purchase: Purchase) -> list[str]:
    """Return what the audit trail says of the order, oldest first."""
    statement = "select action from orders.audit where target_id = %s order by id"
    with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
        return [row[0] for row in connection.execute(statement, (purchase.order_id,))]


async def has_started(
    purchase: Purchase, operator: Operator, order_id: uuid.UUID, transactions: int
) -> bool:
    """Tell whether the release is running and has made so many chain transactions."""
    if await purchase.state() == "IN_PROGRESS":
        return False
    return len(await operator.transactions(order_id)) >= transactions


async def assert_paid_once(purchase: Purchase, operator: Operator) -> None:
    price = minor_units(PRICE)

    assert await purchase.state() == "CLOSED RELEASED"
    assert await purchase.balances(purchase.seller) == (price, 0)
    assert await purchase.balances(purchase.buyer) == (minor_units("20.00"), 0)

    async def settled() -> bool:
        holdings = await operator.holdings()
        return not any(found.in_motion for found in holdings) and not differing(holdings)

    await wait_for(settled, what="ledger and chain did not agree")
    assert await purchase.on_chain(purchase.seller) == price
    assert await purchase.contract_balance() == 0
    assert [found for found in await operator.invariants() if not found.holds] == []
