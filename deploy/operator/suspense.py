"""`suspense`: what is in suspense, and credit a deposit to the user whose wallet it reached."""

import argparse
import uuid

from deploy.operator.findings import Suspended
from deploy.operator.session import Session
from kernel.money import to_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--credit", type=uuid.UUID, help="the transfer to credit")
    parser.add_argument("--reason", default="", help="why it is the user's; on their statement")


async def run(session: Session, arguments: argparse.Namespace) -> int:
    """Credit where that is asked, and list; returns the exit code.

    Raises: NotFound: no such deposit is in suspense, or it reached no user's wallet.
    """
    if arguments.credit and not arguments.reason.strip():
        arguments.parser.error("a credit needs --reason")
    if arguments.credit:
        deposit, reason = str(arguments.credit), arguments.reason
        _, user = await session.first(
            lambda operator: operator.credit_suspense(deposit, reason=reason),
            missing="TRANSFER_NOT_FOUND",
        )
        print(f"credited to the user {user}")
    count = 0
    for marketplace in session.marketplaces:
        for found in await session.operator(marketplace).suspense():
            print(f"{line(found)}  [{marketplace.label}]")
            count += 1
    print(f"{count} deposits in suspense")
    return 0


def line(found: Suspended) -> str:
    """Say one deposit in suspense."""
    return (
        f"{found.transfer_id}  {found.at}  {to_text(found.minor_units)} {found.asset}"
        f"  wallet of {found.user_id or 'nobody'}  memo {found.memo!r}"
    )
