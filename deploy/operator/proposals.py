"""`proposals`, `approve`, `reject`: what one operator proposed, and what another says to it.

A proposal is looked for by its id in every marketplace that is named.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.findings import Proposal
from deploy.operator.marketplaces import Named
from deploy.operator.session import Session

APPROVED, REJECTED = "APPROVED", "REJECTED"


@asking("proposals", about="What waits for another operator's word.")
@click.option("--all", "everything", is_flag=True, help="Those that were decided, too.")
async def command(session: Session, *, everything: bool) -> Answer:
    """List proposals."""
    found = [
        (marketplace, one)
        for marketplace in session.marketplaces
        for one in await session.operator(marketplace).corrections(only_open=not everything)
    ]
    return Answer(
        lines=[line(marketplace, one) for marketplace, one in found],
        document={"proposals": [document(marketplace, one) for marketplace, one in found]},
    )


@asking("approve", about="Approve what another operator proposed, which carries it out.")
@click.option("--proposal", type=click.UUID, required=True, help="Its id.")
async def approve(session: Session, *, proposal: uuid.UUID) -> Answer:
    """Approve, which carries it out. Raises: as `Operator` says."""
    return await _decide(session, proposal, APPROVED)


@asking("reject", about="Reject what was proposed; it is then at its end.")
@click.option("--proposal", type=click.UUID, required=True, help="Its id.")
async def reject(session: Session, *, proposal: uuid.UUID) -> Answer:
    """Reject. Raises: as `Operator` says."""
    return await _decide(session, proposal, REJECTED)


async def _decide(session: Session, proposal_id: uuid.UUID, verdict: str) -> Answer:
    marketplace, found = await session.first(
        lambda operator: operator.decide_correction(proposal_id, verdict=verdict),
        missing="CORRECTION_NOT_FOUND",
    )
    return answer(marketplace, found)


def answer(marketplace: Named, found: Proposal) -> Answer:
    """Say one proposal."""
    return Answer(
        lines=[line(marketplace, found)], document={"proposal": document(marketplace, found)}
    )


def line(marketplace: Named, found: Proposal) -> str:
    """Say one proposal in words."""
    return f"{found.describe()}  [{marketplace.label}]"


def document(marketplace: Named, found: Proposal) -> dict[str, str]:
    """Say one proposal by its fields."""
    return {
        "marketplace": marketplace.label,
        "id": found.id,
        "what": found.what,
        "state": found.state,
        "proposedBy": found.proposed_by,
        "decidedBy": found.decided_by,
        "expiresAt": found.expires_at,
        "settles": found.settles,
    }
