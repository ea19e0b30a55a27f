"""`proposals`, `approve`, `reject`: one operator proposes, another decides.

A proposal is looked up by its id in every marketplace that you name.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.findings import Proposal
from deploy.operator.marketplaces import Named
from deploy.operator.session import Session

APPROVED, REJECTED = "APPROVED", "REJECTED"


@asking("proposals", about="List proposals that wait for a decision.")
@click.option("--all", "everything", is_flag=True, help="Include decided proposals.")
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


@asking("approve", about="Carry out another operator's proposal.")
@click.option("--proposal", type=click.UUID, required=True, help="Its id.")
async def approve(session: Session, *, proposal: uuid.UUID) -> Answer:
    """Approve a proposal, which then is carried out. Raises: as `Operator`."""
    return await _decide(session, proposal, APPROVED)


@asking("reject", about="Reject a proposal for good.")
@click.option("--proposal", type=click.UUID, required=True, help="Its id.")
async def reject(session: Session, *, proposal: uuid.UUID) -> Answer:
    """Reject a proposal. Raises: as `Operator`."""
    return await _decide(session, proposal, REJECTED)


async def _decide(session: Session, proposal_id: uuid.UUID, verdict: str) -> Answer:
    marketplace, found = await session.first(
        lambda operator: operator.decide_correction(proposal_id, verdict=verdict),
        missing="CORRECTION_NOT_FOUND",
    )
    return answer(marketplace, found)


def answer(marketplace: Named, found: Proposal) -> Answer:
    """Return the answer for one proposal."""
    return Answer(
        lines=[line(marketplace, found)], document={"proposal": document(marketplace, found)}
    )


def line(marketplace: Named, found: Proposal) -> str:
    """Describe one proposal in a line."""
    return f"{found.describe()}  [{marketplace.label}]"


def document(marketplace: Named, found: Proposal) -> dict[str, str]:
    """Return one proposal as a JSON document."""
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
