"""Watching a command after an operator has ruled on it, until it has ended or stopped again."""

import argparse
import asyncio
import time
import uuid

from deploy.operator.marketplaces import Named
from deploy.operator.session import Session

WATCH_SECONDS = 120.0
LOOK_SECONDS = 0.5


async def watched(session: Session, marketplace: Named, command_id: uuid.UUID) -> int:
    """Say how a command is once it has ended or stopped; returns the exit code, 1: it stopped."""
    operator = session.operator(marketplace)
    until = time.monotonic() + WATCH_SECONDS
    while True:
        state, why = await operator.ending(command_id)
        if state != "RUNNING" or time.monotonic() > until:
            print(f"{command_id} is {state} {why}".strip())
            return int(state not in {"SUCCEEDED", "FAILED"})
        await asyncio.sleep(LOOK_SECONDS)


def text(given: str) -> str:
    """Read an argument that must say something."""
    if not given.strip():
        raise argparse.ArgumentTypeError("say something")
    return given
