"""`give-back`: give back what the ledger still holds for a canceled order.

The order is looked for in every marketplace that is named. Again, it does nothing.
"""

import argparse
import uuid

from deploy.operator.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--order", type=uuid.UUID, required=True, help="the order's UUID")
    parser.add_argument("--reason", required=True, help="stands in the buyer's statement")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Give back; returns the exit code. Raises: NotFound; FailedPrecondition."""
    await session.first(
        lambda operator: operator.give_back(arguments.order, reason=arguments.reason),
        missing="ORDER_NOT_FOUND",
    )
    print(f"nothing is held for {arguments.order}")
    return 0
