"""What all commands share: common options, the deployment that they use, and exit codes."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import click
import psycopg

from deploy.operator import settings
from deploy.operator.answers import AWAY, REFUSED, WRONG, Answer, tell, tell_failure
from deploy.operator.marketplaces import ALL, NoSuchMarketplaceError
from deploy.operator.session import Session
from deploy.operator.settings import SERVICES, NoPlaceError, Place
from kernel.errors import DeadlineExceeded, DomainError, Unavailable

Ask = Callable[..., Awaitable[Answer]]
Do = Callable[..., Answer]


def asking(
    name: str, *, about: str, marketplace: str | None = ALL
) -> Callable[[Ask], click.Command]:
    """Make a command from a function that calls the services: (session, **options) → Answer.

    about: the command's help text. marketplace: the default of --marketplace; None: it is required.
    """

    def made(ask: Ask) -> click.Command:
        async def in_session(place: Place, marketplace: str, given: dict[str, Any]) -> Answer:
            async with Session.of(place, marketplace=marketplace) as session:
                return await ask(session, **given)

        def carry_out(place: Place, *, marketplace: str, **given: Any) -> Answer:
            return asyncio.run(in_session(place, marketplace, given))

        # A default of None would count as a default, and the option would not be required.
        whose = {"required": True} if marketplace is None else {"default": marketplace}
        named = click.option(
            "--marketplace",
            show_default=marketplace is not None,
            help="Its name, name:test, its UUID, or all.",
            **whose,
        )
        return doing(name, about=about)(named(functools.update_wrapper(carry_out, ask)))

    return made


def doing(name: str, *, about: str) -> Callable[[Do], click.Command]:
    """Make a command from a function that calls no service: (place, **options) → Answer."""

    def made(do: Do) -> click.Command:
        def run(*, as_json: bool, run_dir: str, operator: str, **given: Any) -> int:
            addresses = {one: given.pop(f"{one}_address") for one in SERVICES}
            try:
                place = settings.load(addresses=addresses, run_dir=run_dir, operator=operator)
                return tell(do(place, **given), as_json=as_json)
            except (NoPlaceError, DomainError, NoSuchMarketplaceError, psycopg.Error) as error:
                return _failed(error, as_json=as_json)

        # A module's docstring begins with the command's name, which the help need not repeat.
        said = about.removeprefix(f"`{name}`: ")
        command = click.command(name, help=said[0].upper() + said[1:])
        return command(_placed(functools.update_wrapper(run, do)))

    return made


def _placed(run: Callable[..., int]) -> Callable[..., int]:
    """Add the options that name a deployment, and the options for the output."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one line of JSON."),
        click.option(
            "--operator",
            envvar="OPERATOR",
            show_envvar=True,
            default="",
            help="Your name, for the records.",
        ),
        click.option(
            "--run-dir",
            envvar="RUN_DIR",
            show_envvar=True,
            default=settings.RUN_DIR,
            help="The embedded stack to use when no address is given.",
        ),
        *(
            click.option(
                f"--{service}-address",
                envvar=f"{service.upper()}_ADDRESS",
                show_envvar=True,
                default="",
                metavar="HOST:PORT",
                help=f"Address of {service}.",
            )
            for service in reversed(SERVICES)
        ),
    ):
        run = option(run)
    return run


def _failed(error: Exception, *, as_json: bool) -> int:
    """Print why a command failed; returns the exit code."""
    name = click.get_current_context().command_path
    said, reason, message, exit_code = str(error), "", str(error), REFUSED
    if isinstance(error, NoPlaceError):
        reason, exit_code = "NO_PLACE", WRONG
    elif isinstance(error, DomainError):
        said, reason, message = f"{error.reason}: {error.message}", error.reason, error.message
        exit_code = AWAY if isinstance(error, Unavailable | DeadlineExceeded) else REFUSED
    elif isinstance(error, NoSuchMarketplaceError):
        reason = "MARKETPLACE_NOT_FOUND"
    else:
        said = f"the database does not answer: {error}"
        reason, message, exit_code = "DATABASE_UNAVAILABLE", said, AWAY
    return tell_failure(
        name, reason=reason, message=message, said=said, exit_code=exit_code, as_json=as_json
    )
