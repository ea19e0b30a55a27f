"""Run disputes: `python -m services.disputes`."""

from functools import partial

from chassis import runner
from chassis.settings import load
from services.disputes.app import NAME, build
from services.disputes.settings import DisputesSettings


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(DisputesSettings, program=NAME)
    runner.main(name=NAME, settings=settings, build=partial(build, settings))


if __name__ == "__main__":
    main()
