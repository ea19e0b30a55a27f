"""The command `orchestrator` where the package is installed; here only the wheel is made of it.

What it runs lies beside it in `programs`, under the names that it has in a checkout. They are the
command's own: its process alone looks there, and nothing else in the environment sees them.
"""

import sys
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs")


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    sys.path.insert(0, str(PROGRAMS))
    from deploy.operator.__main__ import main as run  # noqa: PLC0415 - found by the line before

    return run()


if __name__ == "__main__":
    sys.exit(main())
