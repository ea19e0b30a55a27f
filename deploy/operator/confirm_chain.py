"""`confirm-chain`: what the chain had more than the books is settled; escrow sends again.

It concerns every marketplace. Look first: `reconcile` lists what no step has claimed.
"""

import argparse

from deploy.operator.session import Session
from deploy.operator.watch import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--why", type=text, required=True, help="what was found, kept for ever")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Confirm; returns the exit code. Raises: FailedPrecondition: nothing is held."""
    await session.operator(session.marketplaces[0]).confirm_chain(why=arguments.why)
    print("escrow sends again")
    return 0
