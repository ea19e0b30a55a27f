"""`proposals`, `approve`, `reject`: what one operator proposed, and what another says to it.

A proposal is looked for by its id in every marketplace that is named.
"""

import argparse
import uuid

from deploy.operator.session import Session

APPROVED, REJECTED = "APPROVED", "REJECTED"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the list."""
    parser.add_argument("--all", action="store_true", help="those that were decided, too")


def add_proposal(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a decision."""
    parser.add_argument("--proposal", type=uuid.UUID, required=True, help="its id")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """List proposals; returns the exit code."""
    for marketplace in session.marketplaces:
        operator = session.operator(marketplace)
        for found in await operator.corrections(only_open=not arguments.all):
            print(f"{found.describe()}  [{marketplace.label}]")
    return 0


async def approve(session: Session, arguments: argparse.Namespace) -> int:
    """Approve, which carries it out; returns the exit code. Raises: as `Operator` says."""
    return await _decide(session, arguments.proposal, APPROVED)


async def reject(session: Session, arguments: argparse.Namespace) -> int:
    """Reject; returns the exit code. Raises: as `Operator` says."""
    return await _decide(session, arguments.proposal, REJECTED)


async def _decide(session: Session, proposal_id: uuid.UUID, verdict: str) -> int:
    marketplace, found = await session.first(
        lambda operator: operator.decide_correction(proposal_id, verdict=verdict),
        missing="CORRECTION_NOT_FOUND",
    )
    print(f"{found.describe()}  [{marketplace.label}]")
    return 0
