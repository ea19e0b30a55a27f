"""`abandon`: end a stopped command of which nothing has landed; its order falls back.

Escrow ends it where it is proven that nothing has landed and nothing can: what was signed gets its
number used for nothing. Where something has landed, the command goes on from that instead.
"""

import argparse
import uuid

from deploy.operator.session import Session
from deploy.operator.watch import text, watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--command", type=uuid.UUID, required=True, help="the command's id")
    parser.add_argument("--why", type=text, required=True, help="the reason, kept with the command")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Abandon, and watch what comes of it; returns the exit code.

    Raises: NotFound; FailedPrecondition: it has ended, or has moved money.
    """
    found, _ = await session.first(
        lambda operator: operator.abandon(arguments.command, why=arguments.why),
        missing="COMMAND_NOT_FOUND",
    )
    return await watched(session, found, arguments.command)
