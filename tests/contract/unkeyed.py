"""Valid requests for RPCs without a request id: previews and checks."""

from typing import Any

from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.orders.v1 import orders_pb2 as orders

from tests.contract.world import READY, Ready, World


async def a_confirmation_to_preview(world: World) -> Any:
    """Return a request that previews the confirmation of an order."""
    asked = await READY["orders", "ConfirmOrder"](world)
    return orders.GetPreviewRequest(confirm_order=asked)


async def a_funding_to_check(world: World) -> Any:
    """Return a request that checks the funding of a contract."""
    asked = await READY["escrow", "FundEscrow"](world)
    return escrow.CheckCommandRequest(fund=asked)


async def a_canceled_order(world: World) -> Any:
    """Cancel an order; returns a request to release its hold."""
    order_id = await world.after(await world.an_order(), "ReserveFunds", "CancelOrder")
    return orders.GiveBackHoldRequest(order_id=order_id, reason="A late hold")


# RPCs without a request id that change something or contain another method's request.
WITHOUT_ID = {
    ("orders", "GiveBackHold"): a_canceled_order,
    ("orders", "GetPreview"): a_confirmation_to_preview,
    ("escrow", "CheckCommand"): a_funding_to_check,
}


def a_request(name: str, method: str) -> Ready | None:
    """Return the function that makes a valid request; None: the RPC has none here."""
    return READY.get((name, method)) or WITHOUT_ID.get((name, method))
