"""A seller frozen by the issuer cannot be paid: the order is decided in another way."""

import asyncio

from services.escrow.domain import CommandKind, CommandState, EscrowState
from tests.integration.escrow.test_rulings import abandoned
from tests.integration.escrow.test_setbacks import resting
from tests.integration.escrow.world import AMOUNT, World, post, usdc

BUYER = 100 * 10_000_000


async def test_release_to_a_frozen_seller_is_abandoned_and_the_order_is_resolved(
    world: World,
) -> None:
    order = await world.funded()
    freeze = {"action": "freeze", "address": order.seller.address}
    await asyncio.to_thread(post, f"{world.devnet.url}/issuer", freeze)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    waiting = await resting(world, asked.command_id)
    assert (waiting.state, waiting.error_reason) == (CommandState.RUNNING, "CHAIN_REFUSED")

    await abandoned(world, asked)
    ended = await world.ended(asked)
    assert (ended.state, ended.error_reason) == (CommandState.FAILED, "ABANDONED")
    assert ended.escrow is not None
    assert ended.escrow.state is EscrowState.FUNDED
    await world.do(CommandKind.RESOLVE, order, seller=usdc(0), buyer=usdc(AMOUNT))

    assert await world.balance(order.buyer.address) == BUYER
    assert await world.balance(order.seller.address) == 0
