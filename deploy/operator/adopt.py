"""`adopt`: a stopped command's step has landed, with a transaction that it does not know of.

Escrow compares the transaction with what the step is for before anything is booked. Of a step that
has landed otherwise than was meant, its own transaction is named to take it as it is.
"""

import argparse
import re
import uuid

from deploy.operator.session import Session
from deploy.operator.watch import text, watched


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--command", type=uuid.UUID, required=True, help="the command's id")
    parser.add_argument("--hash", type=_hash, required=True, help="the transaction's hash")
    parser.add_argument("--why", type=text, required=True, help="the reason, kept in the log")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Adopt, and watch what comes of it; returns the exit code.

    Raises: NotFound; FailedPrecondition: it has ended, or the transaction is not its doing.
    """
    found, _ = await session.first(
        lambda operator: operator.adopt(
            arguments.command, transaction_hash=arguments.hash, why=arguments.why
        ),
        missing="COMMAND_NOT_FOUND",
    )
    return await watched(session, found, arguments.command)


def _hash(given: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", given):
        raise argparse.ArgumentTypeError("64 hex digits")
    return given
