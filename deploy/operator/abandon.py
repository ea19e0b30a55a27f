"""`abandon`: end a stopped command of which nothing has landed; its order falls back.

Escrow ends it where it is proven that nothing has landed and nothing can: what was signed gets its
number used for nothing. Where something has landed, the command goes on from that instead.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT, watched


@asking("abandon", about=__doc__)
@click.option("--command", type=click.UUID, required=True, help="The command's id.")
@click.option("--why", type=TEXT, required=True, help="The reason, kept with the command.")
async def command(session: Session, *, command: uuid.UUID, why: str) -> Answer:
    """Abandon, and watch what comes of it.

    Raises: NotFound; FailedPrecondition: it has ended, or has moved money.
    """
    found, _ = await session.first(
        lambda operator: operator.abandon(command, why=why), missing="COMMAND_NOT_FOUND"
    )
    return await watched(session, found, command)
