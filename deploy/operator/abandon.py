"""`abandon`: end a stopped command that changed nothing on chain.

Its order returns to the state before. Escrow ends the command only with proof that nothing of it
has landed or can land: it burns the sequence number of a signed transaction. If a transaction has
landed, the command continues from it.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT, watched


@asking("abandon", about=__doc__)
@click.option("--command", type=click.UUID, required=True, help="The command's id.")
@click.option("--why", type=TEXT, required=True, help="The reason; stored with the command.")
async def command(session: Session, *, command: uuid.UUID, why: str) -> Answer:
    """Abandon the command, and wait until it has ended.

    Raises: NotFound; FailedPrecondition: it has ended already, or has moved money.
    """
    found, _ = await session.first(
        lambda operator: operator.abandon(command, why=why), missing="COMMAND_NOT_FOUND"
    )
    return await watched(session, found, command)
