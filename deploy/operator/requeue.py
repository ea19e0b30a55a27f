"""`requeue`: set a quarantined or waiting command of escrow going again.

It goes on from what is stored and what the chain shows: nothing is sent twice. A cause that is
still there quarantines it again. The command is looked for in every marketplace that is named.
"""

import argparse
import uuid

from deploy.operator.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--command", type=uuid.UUID, required=True, help="the command's id")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Requeue; returns the exit code. Raises: NotFound; FailedPrecondition: it has ended."""
    _, state = await session.first(
        lambda operator: operator.requeue(arguments.command), missing="COMMAND_NOT_FOUND"
    )
    print(f"{arguments.command} is {state}")
    return 0
