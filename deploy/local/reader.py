"""`make reader NAME=…`: let a service of yours read the events of the running stack's NATS.

It gets a user that may subscribe and nothing else, and a durable consumer of the same name.
"""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from chassis import telemetry
from chassis.bus import Bus
from chassis.nats_settings import STREAM, SUBJECTS
from chassis.tls import client_context
from deploy.local import authority, credentials, nats_users, settings, state
from deploy.local.nats import NatsServer
from deploy.local.wiring import with_user

PATIENCE_SECONDS = 10.0
PAUSE_SECONDS = 0.05


def main() -> int:
    """Run from the command line; returns the exit code of the program."""
    # Only the URL is printed on standard output.
    telemetry.configure(service="reader", level="warning")
    arguments = _arguments()
    run_dir = settings.load().run_dir
    stack = state.read(run_dir)
    if stack is None or "nats" not in stack["pids"]:
        sys.stderr.write(f"no NATS of a stack runs in {run_dir}; `make run` starts one\n")
        return 1
    try:
        nats_users.check_reader(arguments.name)
    except ValueError as error:
        sys.stderr.write(f"reader: NAME {error}\n")
        return 2
    try:
        if arguments.remove:
            remove(run_dir, stack, arguments.name)
        else:
            print(add(run_dir, stack, arguments.name))
    except (NatsError, OSError, TimeoutError) as error:
        sys.stderr.write(f"reader: {type(error).__name__}: {error}\n")
        return 1
    return 0


def add(run_dir: Path, stack: dict[str, Any], name: str) -> str:
    """Add a reader; returns its URL, which stays the same. Raises: OSError, nats errors."""
    password = credentials.let_in(run_dir, name)
    _reload(run_dir, stack)
    believed = Path(stack["natsCaFile"])
    asyncio.run(_keep_consumer(stack["natsAdminUrl"], name, believed))
    url = with_user(stack["natsAdminUrl"], name, password)
    asyncio.run(_until_let_in(url, believed))
    return url


def remove(run_dir: Path, stack: dict[str, Any], name: str) -> None:
    """Remove a reader, and delete its consumers. Raises: OSError, nats errors."""
    credentials.shut_out(run_dir, name)
    _reload(run_dir, stack)
    asyncio.run(_drop_consumer(stack["natsAdminUrl"], name, Path(stack["natsCaFile"])))


def _reload(run_dir: Path, stack: dict[str, Any]) -> None:
    """Make the running server reload its users. Removed users lose their connections."""
    passwords = credentials.load(run_dir).nats
    port = urlsplit(stack["natsAdminUrl"]).port or 0
    server = NatsServer(
        home=run_dir / "nats",
        port=port,
        monitor_port=port + settings.PORTS.index("monitor") - settings.PORTS.index("nats"),
        log_folder=Path(stack["logs"]),
        tls=authority.files(run_dir, "nats"),
        users=lambda: nats_users.users(passwords, readers=credentials.readers(run_dir)),
    )
    server.configure()
    os.kill(int(stack["pids"]["nats"]), signal.SIGHUP)


async def _keep_consumer(url: str, name: str, believed: Path) -> None:
    bus = Bus(url=url, name="reader", authority=believed)
    config = ConsumerConfig(
        durable_name=name,
        name=name,
        filter_subjects=list(SUBJECTS),
        deliver_policy=DeliverPolicy.ALL,
    )
    try:
        await (await bus.stream()).add_consumer(STREAM, config)
    finally:
        await bus.close()


async def _drop_consumer(url: str, name: str, believed: Path) -> None:
    bus = Bus(url=url, name="reader", authority=believed)
    try:
        await (await bus.stream()).delete_consumer(STREAM, name)
    except NotFoundError:
        return
    finally:
        await bus.close()


async def _until_let_in(url: str, believed: Path) -> None:
    """Wait until the server has reloaded its users. Raises: TimeoutError, nats errors."""

    async def quiet(_: Exception) -> None:
        """Ignore the error, because the connection is retried."""

    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                client = await nats.connect(
                    url, allow_reconnect=False, error_cb=quiet, tls=client_context(believed)
                )
            except NatsError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await client.close()
                return


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reader", description=__doc__)
    parser.add_argument("--name", required=True, help="small letters, digits and dashes")
    parser.add_argument("--remove", action="store_true", help="shut it out again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
