"""`make suspense`: what is in suspense, and credit a deposit to the user whose wallet it reached.

make suspense [CREDIT=<transfer> REASON="the payer meant the user"]
"""

import argparse
import asyncio
import sys
import uuid
from collections.abc import Sequence

import httpx

from deploy.local import credentials, settings, state
from deploy.local.operator import Operator, Suspended
from deploy.local.rest import Marketplace
from kernel.errors import DomainError
from kernel.money import to_text


def lines(deposits: Sequence[Suspended]) -> list[str]:
    """Say what is in suspense, a line each."""
    said = [
        f"{found.transfer_id}  {found.at}  {to_text(found.minor_units)} {found.asset}"
        f"  wallet of {found.user_id or 'nobody'}  memo {found.memo!r}"
        for found in deposits
    ]
    return [*said, f"{len(deposits)} deposits in suspense"]


async def _run(credit: str, reason: str) -> int:
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
        if credit:
            user = await operator.credit_suspense(credit, reason=reason)
            print(f"credited to the user {user}")
        print("\n".join(lines(await operator.suspense())))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make suspense", description="Deposits in suspense")
    parser.add_argument("--credit", type=uuid.UUID, help="the transfer to credit")
    parser.add_argument("--reason", default="", help="why it is the user's; on their statement")
    arguments = parser.parse_args()
    if arguments.credit and not arguments.reason.strip():
        parser.error("a credit needs --reason")
    return arguments


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    arguments = _arguments()
    try:
        return asyncio.run(_run(str(arguments.credit or ""), arguments.reason))
    except DomainError as error:
        sys.stderr.write(f"suspense: {error.message}\n")
        return 1
    except httpx.HTTPError as error:
        sys.stderr.write(f"the gateway does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
