"""`python -m deploy.operator COMMAND`: one program for everything an operator does.

Exit codes: 0 done, and all is well. 1 refused, or something was found. 2 the command or the
settings are wrong. 3 a service or the database does not answer.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType

import psycopg

from deploy.operator import (
    abandon,
    adopt,
    choose,
    confirm_chain,
    correct,
    flows,
    give_back,
    marketplaces,
    proposals,
    reconcile,
    requeue,
    settings,
    suspense,
)
from deploy.operator.marketplaces import ALL, NoSuchMarketplaceError
from deploy.operator.session import Session
from deploy.operator.settings import NoPlaceError, Place, warn
from kernel.errors import DeadlineExceeded, DomainError, Unavailable

REFUSED, WRONG, AWAY = 1, 2, 3
Command = Callable[[Place, argparse.Namespace], int]
Run = Callable[[Session, argparse.Namespace], Awaitable[int]]
Add = Callable[[argparse.ArgumentParser], None]
# What asks the services: name, room, what carries it out, and what adds its arguments.
ASKING: Sequence[tuple[str, ModuleType, Run, Add]] = (
    ("reconcile", reconcile, reconcile.run, reconcile.add_arguments),
    ("give-back", give_back, give_back.run, give_back.add_arguments),
    ("requeue", requeue, requeue.run, requeue.add_arguments),
    ("adopt", adopt, adopt.run, adopt.add_arguments),
    ("abandon", abandon, abandon.run, abandon.add_arguments),
    ("confirm-chain", confirm_chain, confirm_chain.run, confirm_chain.add_arguments),
    ("suspense", suspense, suspense.run, suspense.add_arguments),
    ("correct", correct, correct.run, correct.add_arguments),
    ("proposals", proposals, proposals.run, proposals.add_arguments),
    ("approve", proposals, proposals.approve, proposals.add_proposal),
    ("reject", proposals, proposals.reject, proposals.add_proposal),
)


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code of the program."""
    arguments = _parser().parse_args(given)
    try:
        return _carry_out(arguments)
    except NoPlaceError as error:
        warn(f"operator: {error}")
        return WRONG
    except (DomainError, NoSuchMarketplaceError) as error:
        warn(f"{arguments.name}: {_said(error)}")
        return AWAY if isinstance(error, Unavailable | DeadlineExceeded) else REFUSED
    except psycopg.Error as error:
        warn(f"{arguments.name}: the database does not answer: {error}")
        return AWAY
    except KeyboardInterrupt:
        return 0


def _carry_out(arguments: argparse.Namespace) -> int:
    command: Command = arguments.command_of
    return command(settings.load(arguments), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="operator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, room, run, add_arguments in ASKING:
        add_arguments(_add(commands, name, room, _asking(run), marketplace=ALL))
    for name, run, add in (
        ("stop", flows.stop, flows.add_change),
        ("resume", flows.resume, flows.add_change),
        ("limits", flows.limits, flows.add_limits),
    ):
        # What is changed is named: nobody stops everybody by leaving a word out.
        add(_add(commands, name, flows, _asking(run), marketplace=None))
    _add(commands, "marketplaces", marketplaces, _list, marketplace=ALL)
    choose.add_arguments(_add(commands, "choose", choose, _choose, marketplace="demo"))
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    room: ModuleType,
    command: Command,
    *,
    marketplace: str | None,
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(name, description=room.__doc__)
    added.set_defaults(name=name, command_of=command, parser=added)
    added.add_argument(
        "--marketplace",
        default=marketplace,
        required=marketplace is None,
        help=f"a name, name:test, a UUID or all; by default: {marketplace}",
    )
    settings.add_arguments(added)
    return added


def _asking(run: Run) -> Command:
    """Return a command that asks the services."""

    async def ask(place: Place, arguments: argparse.Namespace) -> int:
        async with Session.of(place, marketplace=arguments.marketplace) as session:
            return await run(session, arguments)

    return lambda place, arguments: asyncio.run(ask(place, arguments))


def _list(place: Place, arguments: argparse.Namespace) -> int:
    for one in marketplaces.chosen(arguments.marketplace, database_url=place.database_url):
        print(f"{one.id}  {one.label}")
    return 0


def _choose(place: Place, arguments: argparse.Namespace) -> int:
    found = marketplaces.chosen(arguments.marketplace, database_url=place.database_url)
    if len(found) != 1:
        raise NoSuchMarketplaceError("one marketplace chooses at a time")
    return choose.run(place.database_url, found[0], arguments)


def _said(error: DomainError | NoSuchMarketplaceError) -> str:
    return f"{error.reason}: {error.message}" if isinstance(error, DomainError) else str(error)


if __name__ == "__main__":
    sys.exit(main())
