"""`users`: list users, and give them money in the sandbox."""

import click

from deploy.developer.command import Session, calling
from deploy.developer.sandbox import Sandbox
from deploy.developer.tables import count, listed, page_size
from deploy.operator.answers import Answer


@calling("list", about="List users, newest first.")
@count
def listing(session: Session, *, count: int) -> Answer:
    """List users. Raises: as the API refuses."""
    found = session.api.list_users(limit=page_size(count))
    return listed("users", found, most=count, show="id externalUserId type createdAt")


@calling("fund", about="Let the faucet of the test network pay a user, and wait for the money.")
@click.argument("user")
@click.argument("amount")
def fund(session: Session, *, user: str, amount: str) -> Answer:
    """Pay money to a user. Raises: RefusedError; LateError; as the API refuses."""
    available = Sandbox.of(session.api, session.place).fund(user, amount)
    return Answer(
        lines=[f"{user} has {available} available"],
        document={"userId": user, "amount": amount, "available": available},
    )


group = click.Group("users", help="List users, and give them test money.", commands=[listing, fund])
