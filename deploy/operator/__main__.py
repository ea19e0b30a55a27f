"""`orchestrator COMMAND`: one program for everything an operator does.

Each command asks the embedded stack of RUN_DIR, or any deployment whose services are named. Exit
codes: 0 done, and all is well. 1 refused, or something was found. 2 the command or the settings are
wrong. 3 a service or the database does not answer.
"""

import sys
from collections.abc import Sequence

import click

from deploy.operator import (
    abandon,
    adopt,
    callers,
    choose,
    confirm_chain,
    correct,
    doctor,
    flows,
    give_back,
    keys,
    listing,
    migrate,
    proposals,
    rebuild,
    reconcile,
    requeue,
    stuck,
    suspense,
)
from deploy.operator.answers import DONE
from kernel.version import VERSION

NAME = "orchestrator"
COMMANDS: Sequence[click.Command] = (
    reconcile.command,
    give_back.command,
    requeue.command,
    adopt.command,
    abandon.command,
    confirm_chain.command,
    suspense.command,
    correct.command,
    proposals.command,
    proposals.approve,
    proposals.reject,
    flows.stop,
    flows.resume,
    flows.limits,
    listing.command,
    choose.command,
    keys.group,
    callers.group,
    migrate.command,
    rebuild.command,
    stuck.command,
    doctor.command,
)
program = click.version_option(VERSION, prog_name=NAME)(
    click.Group(NAME, help=__doc__, commands=COMMANDS, no_args_is_help=True)
)


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code of the program."""
    try:
        done = program.main(args=given, prog_name=NAME, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return DONE
    return done if isinstance(done, int) else DONE


if __name__ == "__main__":
    sys.exit(main())
