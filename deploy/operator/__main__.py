"""`orchestrator COMMAND`: one program for everything an operator does.

Each command uses the embedded stack in RUN_DIR, or any deployment whose addresses you give. Exit
codes: 0 done, no problem found. 1 refused, or a problem was found. 2 the command or a setting is
wrong. 3 a service or the database does not answer.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence

import click

from chassis import telemetry
from deploy.operator.answers import DONE
from kernel.version import VERSION

NAME = "orchestrator"
PACKAGE = "deploy.operator"
# By command: its module and the name in it. A module is imported when its command is given, so that
# no command waits for the imports of the others.
ROOMS: Mapping[str, tuple[str, str]] = {
    "reconcile": ("reconcile", "command"),
    "give-back": ("give_back", "command"),
    "requeue": ("requeue", "command"),
    "adopt": ("adopt", "command"),
    "abandon": ("abandon", "command"),
    "confirm-chain": ("confirm_chain", "command"),
    "suspense": ("suspense", "command"),
    "correct": ("correct", "command"),
    "proposals": ("proposals", "command"),
    "approve": ("proposals", "approve"),
    "reject": ("proposals", "reject"),
    "stop": ("flows", "stop"),
    "resume": ("flows", "resume"),
    "limits": ("flows", "limits"),
    "marketplaces": ("listing", "command"),
    "choose": ("choose", "command"),
    "keys": ("keys", "group"),
    "callers": ("callers", "group"),
    "migrate": ("migrate", "command"),
    "rebuild-stream": ("rebuild", "command"),
    "stuck": ("stuck", "command"),
    "doctor": ("doctor", "command"),
}


class _Program(click.Group):
    """The commands, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(ROOMS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        room, name = ROOMS.get(cmd_name, ("", ""))
        if not room:
            return None
        found: click.Command = getattr(importlib.import_module(f"{PACKAGE}.{room}"), name)
        return found


program = click.version_option(VERSION, prog_name=NAME)(
    _Program(NAME, help=__doc__, no_args_is_help=True)
)


def commands() -> dict[str, click.Command]:
    """Return every command by its name; imports all of them."""
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in ROOMS}
    return {name: command for name, command in found.items() if command is not None}


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code of the program."""
    # Standard output has the answer alone.
    telemetry.configure(service=NAME, level="warning")
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
