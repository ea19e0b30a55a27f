"""`confirm-chain`: let escrow send again after it was on hold.

You confirm that the transactions which the books lacked are settled. It applies to every
marketplace. Run `reconcile` first: it lists transactions that no step claims.
"""

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT


@asking("confirm-chain", about=__doc__)
@click.option("--why", type=TEXT, required=True, help="What you found; stored for ever.")
async def command(session: Session, *, why: str) -> Answer:
    """Confirm that the books are settled. Raises: FailedPrecondition: sending is not on hold."""
    await session.operator(session.marketplaces[0]).confirm_chain(why=why)
    return Answer(lines=["escrow sends again"], document={"sends": True})
