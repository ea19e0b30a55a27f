"""`adopt`: name the transaction of a stopped command's step.

For a step that has landed without the command knowing it. Escrow compares the transaction with the
step's intent before it books anything. To accept a step that landed differently than intended, name
the step's own transaction.
"""

import re
import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT, watched


class _Hash(click.ParamType[str]):
    name = "hex"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            self.fail("must be 64 hexadecimal digits", param, ctx)
        return value


@asking("adopt", about=__doc__)
@click.option("--command", type=click.UUID, required=True, help="The command's id.")
@click.option("--hash", "transaction", type=_Hash(), required=True, help="The transaction's hash.")
@click.option("--why", type=TEXT, required=True, help="The reason; stored with the command.")
async def command(session: Session, *, command: uuid.UUID, transaction: str, why: str) -> Answer:
    """Adopt the transaction, and wait until the command has ended.

    Raises: NotFound; FailedPrecondition: it has ended, or the transaction belongs to another step.
    """
    found, _ = await session.first(
        lambda operator: operator.adopt(command, transaction_hash=transaction, why=why),
        missing="COMMAND_NOT_FOUND",
    )
    return await watched(session, found, command)
