"""Run escrow: `python -m services.escrow`."""

from functools import partial

from chassis import runner
from chassis.settings import load
from services.escrow.app import build
from services.escrow.parts import NAME
from services.escrow.settings import EscrowSettings


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(EscrowSettings, program=NAME)
    runner.main(name=NAME, settings=settings, build=partial(build, settings))


if __name__ == "__main__":
    main()
