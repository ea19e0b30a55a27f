"""`suspense`: list deposits in suspense, or credit one.

A deposit is credited to the user whose wallet received it.
"""

import uuid

import click

from deploy.operator.answers import Answer, counted
from deploy.operator.command import asking
from deploy.operator.findings import Suspended
from deploy.operator.session import Session
from kernel.money import to_text


@asking("suspense", about=__doc__)
@click.option("--credit", type=click.UUID, help="The transfer to credit.")
@click.option("--reason", default="", help="The reason; shown in the user's statement.")
async def command(session: Session, *, credit: uuid.UUID | None, reason: str) -> Answer:
    """Credit a deposit if one is given, and list the deposits in suspense.

    Raises: NotFound: no such deposit is in suspense, or the wallet that received it is not a
        user's.
    """
    if credit and not reason.strip():
        raise click.UsageError("a credit needs --reason")
    lines, credited = [], None
    if credit:
        deposit = str(credit)
        _, user = await session.first(
            lambda operator: operator.credit_suspense(deposit, reason=reason),
            missing="TRANSFER_NOT_FOUND",
        )
        credited = {"transfer": deposit, "user": user}
        lines.append(f"credited to user {user}")
    found = [
        (marketplace, one)
        for marketplace in session.marketplaces
        for one in await session.operator(marketplace).suspense()
    ]
    lines += [f"{line(one)}  [{marketplace.label}]" for marketplace, one in found]
    return Answer(
        lines=[*lines, f"{counted(len(found), 'deposit')} in suspense"],
        document={
            "credited": credited,
            "deposits": [
                {
                    "marketplace": marketplace.label,
                    "transfer": one.transfer_id,
                    "at": one.at,
                    "asset": one.asset,
                    "minorUnits": one.minor_units,
                    "user": one.user_id,
                    "memo": one.memo,
                }
                for marketplace, one in found
            ],
        },
    )


def line(found: Suspended) -> str:
    """Describe one deposit in suspense in a line."""
    return (
        f"{found.transfer_id}  {found.at}  {to_text(found.minor_units)} {found.asset}"
        f"  wallet of {found.user_id or 'no user'}  memo {found.memo!r}"
    )
