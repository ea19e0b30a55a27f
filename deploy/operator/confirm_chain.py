"""`confirm-chain`: what the chain had more than the books is settled; escrow sends again.

It concerns every marketplace. Look first: `reconcile` lists what no step has claimed.
"""

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT


@asking("confirm-chain", about=__doc__)
@click.option("--why", type=TEXT, required=True, help="What was found, kept for ever.")
async def command(session: Session, *, why: str) -> Answer:
    """Confirm. Raises: FailedPrecondition: nothing is held."""
    await session.operator(session.marketplaces[0]).confirm_chain(why=why)
    return Answer(lines=["escrow sends again"], document={"sends": True})
