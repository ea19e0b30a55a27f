"""`make reconcile`: check the ledger's invariants, and the ledger against the chain.

Exit code 0: all hold. 1: something differs, or a command is quarantined; nothing is mended by
itself. What strangers sent to contracts and commands that wait are listed, and are no fault.
"""

import asyncio
import sys
from collections.abc import Sequence

import httpx

from deploy.local import credentials, settings, state
from deploy.local.operator import Concerns, Holding, Invariant, Operator
from deploy.local.rest import Marketplace


def differing(holdings: Sequence[Holding]) -> list[Holding]:
    """Pick the accounts whose two sides differ with nothing under way."""
    return [found for found in holdings if found.differs]


def lines(
    invariants: Sequence[Invariant], holdings: Sequence[Holding], concerns: Concerns
) -> list[str]:
    """Say what was found, a line each."""
    said = [
        f"{'holds ' if found.holds else 'BROKEN'}  {found.name}  {found.details}"
        for found in invariants
    ]
    wrong = differing(holdings)
    moving = sum(found.in_motion for found in holdings)
    said.append(
        f"ledger = chain: {len(holdings)} accounts, {moving} in motion, {len(wrong)} differ"
    )
    said += [f"DIFFERS {found.describe()}" for found in wrong]
    said += [f"surplus {found.describe()}" for found in holdings if found.is_surplus]
    said += [f"ASIDE   {found.describe()}" for found in concerns.transfers]
    for found in concerns.commands:
        mark = "STUCK  " if found in concerns.quarantined else "waits  "
        said.append(f"{mark} {found.describe()}")
    return said


async def _reconcile() -> int:
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
        invariants = await operator.invariants()
        holdings = await operator.holdings()
        concerns = await operator.concerns()
    print("\n".join(lines(invariants, holdings, concerns)))
    is_broken = not all(found.holds for found in invariants)
    return int(is_broken or bool(differing(holdings)) or bool(concerns.quarantined))


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    try:
        return asyncio.run(_reconcile())
    except httpx.HTTPError as error:
        sys.stderr.write(f"the gateway does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
