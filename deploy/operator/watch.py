"""Waits after an operator's ruling until the command has ended or has stopped again."""

import asyncio
import time
import uuid

import click

from deploy.operator.answers import DONE, REFUSED, Answer
from deploy.operator.marketplaces import Named
from deploy.operator.session import Session

WATCH_SECONDS = 120.0
LOOK_SECONDS = 0.5


async def watched(session: Session, marketplace: Named, command_id: uuid.UUID) -> Answer:
    """Report a command when it has ended or stopped. The exit code is 1 if it stopped."""
    operator = session.operator(marketplace)
    until = time.monotonic() + WATCH_SECONDS
    while True:
        state, why = await operator.ending(command_id)
        if state != "RUNNING" or time.monotonic() > until:
            return Answer(
                lines=[f"{command_id} is {state} {why}".strip()],
                document={"command": str(command_id), "state": state, "why": why},
                exit_code=DONE if state in {"SUCCEEDED", "FAILED"} else REFUSED,
            )
        await asyncio.sleep(LOOK_SECONDS)


class _Text(click.ParamType[str]):
    """The type of options whose text may not be empty."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.strip():
            self.fail("must not be empty", param, ctx)
        return value


TEXT = _Text()
