"""`give-back`: return money that is held for a canceled order.

The order is looked up in every marketplace that you name. A second run changes nothing.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session


@asking("give-back", about=__doc__)
@click.option("--order", type=click.UUID, required=True, help="The order's UUID.")
@click.option("--reason", required=True, help="Shown in the buyer's statement.")
async def command(session: Session, *, order: uuid.UUID, reason: str) -> Answer:
    """Return the money. Raises: NotFound; FailedPrecondition."""
    await session.first(
        lambda operator: operator.give_back(order, reason=reason), missing="ORDER_NOT_FOUND"
    )
    return Answer(
        lines=[f"nothing is held for {order}"], document={"order": str(order), "isHeld": False}
    )
