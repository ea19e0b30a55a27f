"""`redirect`: let a party of an order be paid at another address.

It is for a wallet that cannot receive: the issuer has frozen it, or its account or trustline is
gone. The first operator proposes the address. It is in effect when another operator gives the same
command with the same address within a day. No money moves: the next release, refund or decision
pays the address.
"""

import uuid

import click

from deploy.operator.answers import Answer
from deploy.operator.command import asking
from deploy.operator.session import Session
from deploy.operator.watch import TEXT


@asking("redirect", about=__doc__)
@click.option("--order", type=click.UUID, required=True, help="The order's UUID.")
@click.option("--party", type=click.Choice(["seller", "buyer"]), required=True)
@click.option("--address", required=True, metavar="G…", help="The party's other account.")
@click.option("--why", type=TEXT, required=True, help="The reason; stored with the decision.")
async def command(
    session: Session, *, order: uuid.UUID, party: str, address: str, why: str
) -> Answer:
    """Propose or approve a redirection.

    Raises: NotFound; InvalidArgument; FailedPrecondition; Aborted.
    """
    marketplace, found = await session.first(
        lambda operator: operator.redirect(order, party=party.upper(), address=address, why=why),
        missing="ESCROW_NOT_FOUND",
    )
    return Answer(
        lines=[f"{found.describe()}  [{marketplace.label}]"],
        document={
            "marketplace": marketplace.label,
            "order": str(order),
            "party": found.party,
            "address": found.address,
            "state": found.state,
            "proposedBy": found.proposed_by,
            "approvedBy": found.approved_by,
            "expiresAt": found.expires_at,
        },
    )
