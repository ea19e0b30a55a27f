"""Create the stream of events, or set its limits: `python -m chassis.stream`.

Needs an administrator of the stream: services may only create a missing stream.
"""

import asyncio
import sys
from pathlib import Path

from nats.errors import Error as NatsError

from chassis.bus import keep_stream
from chassis.nats_settings import parse
from chassis.settings import StreamSettings, load, read


def main() -> None:
    """Run from the command line, with NATS_URL, NATS_CA_FILE and the limits STREAM_…."""
    limits, url = load(StreamSettings, program="stream").stream_limits, read("NATS_URL")
    given = read("NATS_CA_FILE")
    try:
        parse(url)
    except ValueError as error:
        sys.stderr.write(f"stream: setting NATS_URL: {error}\n")
        raise SystemExit(2) from None
    try:
        asyncio.run(keep_stream(url, limits=limits, authority=Path(given) if given else None))
    except (NatsError, OSError, TimeoutError) as error:
        sys.exit(f"stream: {type(error).__name__}: {error}")
    sys.stdout.write(
        f"stream: keeps {_said(limits.days, 'days')}, {_said(limits.gigabytes, 'GB')}\n"
    )


def _said(limit: int, unit: str) -> str:
    return f"{limit} {unit}" if limit else f"{unit} without a limit"


if __name__ == "__main__":
    main()
