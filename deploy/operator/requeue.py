"""`requeue`: set a quarantined or waiting command of escrow going again.

It goes on from what is stored and what the chain shows: nothing is sent twice. A cause that is
still there quarantines it again. The command is looked for in every marketplace that is named.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session


@asking("requeue", about=__doc__)
@click.option("--command", type=click.UUID, required=True, help="The command's id.")
async def command(session: Session, *, command: uuid.UUID) -> Answer:
    """Requeue. Raises: NotFound; FailedPrecondition: it has ended."""
    _, state = await session.first(
        lambda operator: operator.requeue(command), missing="COMMAND_NOT_FOUND"
    )
    return Answer(
        lines=[f"{command} is {state}"], document={"command": str(command), "state": state}
    )
