"""The milestones of an order: completing them, and what a release requires of them. Pure."""

import datetime as dt
from dataclasses import replace

from kernel.clock import to_milliseconds_text
from kernel.errors import FailedPrecondition, NotFound
from services.orders.order.domain import (
    Decided,
    Fact,
    Milestone,
    Order,
    State,
    Trigger,
    move,
    require,
    wrong_state,
)


class MilestoneNotFound(NotFound):
    """The order has no such milestone."""

    reason = "MILESTONE_NOT_FOUND"


class MilestonesIncomplete(FailedPrecondition):
    """The order has milestones that are not completed. Complete them, or release with `force`."""

    reason = "MILESTONES_INCOMPLETE"


def to_complete(order: Order, *, ref: str) -> int:
    """Return the position, from 0, of a milestone that may be completed now.

    Raises: MilestoneNotFound; OrderInWrongState: also if the milestone is already completed.
    """
    place = next((i for i, one in enumerate(order.milestones) if one.ref == ref), None)
    if place is None:
        raise MilestoneNotFound("The order has no such milestone")
    require(order, Trigger.COMPLETE_MILESTONE)
    if order.milestones[place].completed_at is not None:
        message = "The milestone has been completed already"
        raise wrong_state(order, message, allowed=[State.IN_PROGRESS.value])
    return place


def completed(order: Order, *, ref: str, at: dt.datetime) -> Decided:
    """Record that the chain shows a milestone as completed. Raises: OrderInWrongState."""
    milestones = tuple(
        replace(one, completed_at=at) if one.ref == ref else one for one in order.milestones
    )
    after = move(order, Trigger.COMPLETE_MILESTONE, at=at, milestones=milestones)
    payload = {
        "orderId": order.public_id,
        "ref": ref,
        "completedAt": to_milliseconds_text(at),
    }
    return after, (Fact(event_type="order.milestone_completed", payload=payload),)


def open_ones(order: Order) -> list[Milestone]:
    """List the milestones that are not completed."""
    return [one for one in order.milestones if one.completed_at is None]


def require_completed(order: Order) -> None:
    """Check that all milestones are completed. An order without milestones passes.

    Raises: MilestonesIncomplete.
    """
    if missing := [one.ref for one in open_ones(order)]:
        raise MilestonesIncomplete(
            "Not all milestones are completed",
            details={"orderId": order.public_id, "openMilestones": missing},
        )
