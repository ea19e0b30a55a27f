"""Run webhooks: `python -m services.webhooks`."""

from functools import partial

from chassis import runner
from chassis.settings import load
from services.webhooks.app import NAME, build
from services.webhooks.settings import WebhooksSettings


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(WebhooksSettings, program=NAME)
    runner.main(name=NAME, settings=settings, build=partial(build, settings))


if __name__ == "__main__":
    main()
