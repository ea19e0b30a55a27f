"""The command `orchestrator` of the installed package. In a checkout, this file is only packaged.

The package has the programs' code in `programs`, under the names of the checkout. Only the process
of this command adds that folder to its path, so the names do not clash with other packages.
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
