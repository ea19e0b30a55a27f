"""NATS is unavailable: orders continue; afterwards their events arrive in order, each once."""

import signal

from deploy.local.demo.events import PURCHASE, Listener
from tests.running_stack import RunningStack, new_purchase


async def test_orders_continue_while_nats_hangs_and_events_follow_in_order(
    stack: RunningStack,
) -> None:
    async with new_purchase(stack) as (purchase, _):
        await purchase.register()
        await purchase.deposit()
        async with Listener.of(stack=stack.document) as listener:
            stack.signal("nats", signal.SIGSTOP)
            try:
                await purchase.create()
                await purchase.reserve()
                await purchase.create_escrow()
                await purchase.fund()
                await purchase.release()
                during = listener.of_aggregate(purchase.order_id)
            finally:
                stack.signal("nats", signal.SIGCONT)
            await listener.wait_for(purchase.order_id, PURCHASE[-1], seconds=60)
            after = listener.of_aggregate(purchase.order_id)

    assert during == []
    assert without_repeats(after) == [(name, n) for n, name in enumerate(PURCHASE, start=1)]


async def test_orders_continue_after_nats_is_killed(stack: RunningStack) -> None:
    async with new_purchase(stack) as (purchase, _):
        await purchase.register()
        logged = len(stack.process.log())
        stack.kill("nats")
        stack.wait_until_back("nats", since=logged)
        await purchase.deposit()
        await purchase.create()
        await purchase.reserve()
        async with Listener.of(stack=stack.document) as listener:
            await purchase.create_escrow()
            await purchase.fund()
            await purchase.release()
            await listener.wait_for(purchase.order_id, PURCHASE[-1], seconds=60)
            seen = dict(listener.of_aggregate(purchase.order_id))
        assert await purchase.state() == "CLOSED RELEASED"

    assert seen["order.closed"] == len(PURCHASE)


def without_repeats(events: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Drop repetitions: a hung server may have stored events that it did not acknowledge."""
    return list(dict.fromkeys(events))
