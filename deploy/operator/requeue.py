"""`requeue`: retry a quarantined or waiting command of escrow.

It continues from its stored steps and from what the chain shows, so nothing is sent twice. If the
cause persists, it is quarantined again. It is looked up in every marketplace that you name.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session


@asking("requeue", about=__doc__)
@click.option("--command", type=click.UUID, required=True, help="The command's id.")
async def command(session: Session, *, command: uuid.UUID) -> Answer:
    """Requeue the command. Raises: NotFound; FailedPrecondition: it has ended."""
    _, state = await session.first(
        lambda operator: operator.requeue(command), missing="COMMAND_NOT_FOUND"
    )
    return Answer(
        lines=[f"{command} is {state}"], document={"command": str(command), "state": state}
    )
