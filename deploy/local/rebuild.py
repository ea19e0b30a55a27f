"""`make rebuild-stream`: publish every event of the running stack again from its outbox tables."""

import asyncio
import sys

from chassis.rebuild import rebuild
from deploy.local import settings, state


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    read = settings.load()
    stack = state.read(read.run_dir)
    if stack is None:
        sys.stderr.write(f"no stack runs in {read.run_dir}; start one with `make run`\n")
        return 1
    count = asyncio.run(
        rebuild(
            database_url=stack["databaseUrl"],
            nats_url=stack["natsAdminUrl"],
            limits=read.stream_limits,
        )
    )
    print(f"{count} events are being published again")
    return 0


if __name__ == "__main__":
    sys.exit(main())
