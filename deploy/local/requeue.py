"""`make requeue COMMAND=<id>`: set a quarantined or waiting command of escrow going again.

It goes on from what is stored and what the chain shows: nothing is sent twice. A cause that is
still there quarantines it again. Exit code 1: there is no such command, or it has ended.
"""

import argparse
import asyncio
import sys
import uuid

import httpx

from deploy.local import credentials, settings, state
from deploy.local.operator import Operator
from deploy.local.rest import Marketplace
from kernel.errors import DomainError


async def _run(command_id: uuid.UUID) -> int:
    read = settings.load()
    stack = state.read(read.run_dir)
    if stack is None:
        sys.stderr.write(f"no stack runs in {read.run_dir}; start one with `make run`\n")
        return 1
    async with Marketplace.of(url=stack["url"], api_key=stack["apiKey"]) as marketplace:
        marketplace_id = await marketplace.marketplace_id()
    async with Operator.of(
        services=stack["services"],
        secret=credentials.load(read.run_dir).service_secret,
        marketplace_id=marketplace_id,
    ) as operator:
        found = await operator.requeue(command_id)
    print(f"{command_id} is {found}")
    return 0


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    parser = argparse.ArgumentParser(prog="make requeue", description="Set a command going")
    parser.add_argument("--command", type=uuid.UUID, required=True, help="the command's id")
    arguments = parser.parse_args()
    try:
        return asyncio.run(_run(arguments.command))
    except DomainError as error:
        sys.stderr.write(f"requeue: {error.reason}: {error.message}\n")
        return 1
    except httpx.HTTPError as error:
        sys.stderr.write(f"the gateway does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
