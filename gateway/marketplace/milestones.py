"""Milestones of an order: list them, complete one."""

from typing import NotRequired

from orchestrator.orders.v1 import orders_pb2

from gateway.answers import Answer
from gateway.call import Call, order_id
from gateway.errors import MilestoneNotFound
from gateway.keys import READ, WRITE
from gateway.marketplace.order import Milestone, MovingOrder, is_in_progress, milestone, moving
from gateway.marketplace.shapes import Page, Success, page, success
from gateway.models import Request
from gateway.routing import Routes

REF_MAX = 64
routes = Routes("Orders")


@routes.get("/orders/{id}/milestones", scope=READ, support=True, refusals=("ORDER_NOT_FOUND",))
async def list_milestones(call: Call) -> Answer[Page[Milestone]]:
    """List the milestones of an order, in the order's own sequence. There is only one page."""
    found = await call.backends.order(order_id(call.params["id"]))
    return page([milestone(one) for one in found.milestones], next_token="")


class CompleteMilestone(Request):
    """No fields: the path names the milestone."""


class OrderWithMilestone(MovingOrder):
    """The order, and the milestone after the action."""

    milestone: NotRequired[Milestone]


@routes.post(
    "/orders/{id}/milestones/{ref}/complete",
    scope=WRITE,
    waits=True,
    previews=True,
    examples={"nothing": {}},
    refusals=("ORDER_NOT_FOUND", "MILESTONE_NOT_FOUND", "INVALID_STATE", "PROVIDER_ERROR"),
)
async def complete_milestone(
    call: Call, _body: CompleteMilestone
) -> Answer[Success[OrderWithMilestone]]:
    """Complete a milestone. The wallets of both sides mark it on chain. No money moves."""
    ref = call.params["ref"]
    if len(ref) > REF_MAX:
        raise MilestoneNotFound("The order has no such milestone")
    request = orders_pb2.CompleteMilestoneRequest(
        **call.awaited(), order_id=order_id(call.params["id"]), ref=ref
    )
    order = await call.change(call.backends.orders.CompleteMilestone, request)
    data = moving(order, OrderWithMilestone)
    for one in order.milestones:
        if one.ref == ref:
            data["milestone"] = milestone(one)
    return success(data, is_accepted=is_in_progress(order))
