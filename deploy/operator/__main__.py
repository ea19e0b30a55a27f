"""`orchestrator COMMAND`: one program for what operators and developers do.

An operator's command uses the embedded stack in RUN_DIR, or any deployment whose addresses you
give. A developer's command calls a gateway with an API key: say `login` first. Exit codes: 0 done,
no problem found. 1 refused, or a problem was found. 2 the command or a setting is wrong. 3 a
service or the database does not answer.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from chassis import telemetry
from deploy.operator.answers import DONE
from kernel.version import VERSION

NAME = "orchestrator"
PACKAGE = "deploy.operator"
# Each command's module, and its name in the module. A module is imported when its command is given,
# so no command waits for the imports of other commands.
ROOMS: Mapping[str, tuple[str, str]] = {
    "reconcile": ("reconcile", "command"),
    "give-back": ("give_back", "command"),
    "requeue": ("requeue", "command"),
    "adopt": ("adopt", "command"),
    "abandon": ("abandon", "command"),
    "redirect": ("redirect", "command"),
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
# The commands of developers, in the same form.
DEVELOPERS = "deploy.developer"
DEVELOPERS_ROOMS: Mapping[str, tuple[str, str]] = {
    "login": ("login", "command"),
    "listen": ("listen", "command"),
    "trigger": ("trigger", "command"),
    "events": ("events", "group"),
    "orders": ("orders", "group"),
    "users": ("users", "group"),
    "webhooks": ("webhooks", "group"),
    "clock": ("clock", "group"),
    "export": ("export", "command"),
    "logs": ("logs", "command"),
    "audit": ("audit", "command"),
}


class _Program(click.Group):
    """The group of commands. Each command is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [*ROOMS, *DEVELOPERS_ROOMS]

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        for package, rooms in ((PACKAGE, ROOMS), (DEVELOPERS, DEVELOPERS_ROOMS)):
            if cmd_name in rooms:
                room, name = rooms[cmd_name]
                found: click.Command = getattr(importlib.import_module(f"{package}.{room}"), name)
                return found
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the operators' commands first, and then the developers' commands."""
        for heading, rooms in (("Commands", ROOMS), ("For developers", DEVELOPERS_ROOMS)):
            found = [(name, self.get_command(ctx, name)) for name in rooms]
            limit = formatter.width - 6 - max(map(len, rooms))
            rows = [(name, one.get_short_help_str(limit)) for name, one in found if one]
            with formatter.section(heading):
                formatter.write_dl(rows)


program = click.version_option(VERSION, prog_name=NAME)(
    _Program(NAME, help=__doc__, no_args_is_help=True)
)


def commands(rooms: Iterable[str] = ROOMS) -> dict[str, click.Command]:
    """Return commands by name, by default the operators'. Imports all of their modules."""
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in rooms}
    return {name: command for name, command in found.items() if command is not None}


def main(given: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code of the program."""
    # Only the answer is printed on standard output.
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
