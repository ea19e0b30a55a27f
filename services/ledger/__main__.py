"""Run ledger: `python -m services.ledger`."""

from functools import partial

from chassis import runner
from chassis.settings import load
from services.ledger.app import NAME, build
from services.ledger.settings import LedgerSettings


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(LedgerSettings, program=NAME)
    runner.main(name=NAME, settings=settings, build=partial(build, settings))


if __name__ == "__main__":
    main()
