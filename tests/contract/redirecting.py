"""Makes requests that redirect payouts, for orders whose seller's address cannot be paid."""

from typing import Any

import psycopg
from stellar_sdk import Keypair

from tests.contract.builders import VALID
from tests.integration.escrow.strangers import Stranger

_ALLOW = """
insert into orders.marketplaces (id, payout_redirects) values (%s, 'MARKETPLACE')
on conflict (id) do update set payout_redirects = 'MARKETPLACE'
"""
# Sets an earlier redirection, because other tests use the seller's own wallet.
_BLOCK = "update escrow.escrows set seller_payout = %s where order_id = %s"


async def a_redirect_by_rule(world: Any) -> Any:
    """Fund an escrow whose seller cannot be paid; returns a request of orders to redirect it."""
    return await _about(world, "escrow", "RedirectPayoutByRule", await world.a_funded_escrow())


async def a_redirect(world: Any) -> Any:
    """Fund an order whose seller cannot be paid; returns a marketplace's request to redirect it."""
    steps = ("ReserveFunds", "CreateEscrow", "FundEscrow")
    order_id = await world.after(await world.an_order(), *steps)
    with psycopg.connect(world.city.database.url()) as connection:
        connection.execute(_ALLOW, (world.marketplace_id,))
    return await _about(world, "orders", "RedirectPayout", order_id)


async def _about(world: Any, name: str, method: str, order_id: str) -> Any:
    outside = Stranger(world.city.devnet().info)
    await outside.come(amount="1.00")
    with psycopg.connect(world.city.database.url()) as connection:
        connection.execute(_BLOCK, (Keypair.random().public_key, order_id))
    request = VALID[name][method]()
    request.order_id, request.address = order_id, outside.address
    return request
