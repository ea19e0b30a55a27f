"""`make reader`: a NATS user reads events until it is removed."""

import json
import ssl
import subprocess
import sys

import nats
import pytest
from nats.errors import TimeoutError as NatsTimeoutError

from chassis.nats_settings import STREAM
from deploy.local.settings import ROOT, child_environment
from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack
from tests.shop import Shop

NAME = "my-shop"


def reader(stack: RunningStack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.local.reader", *arguments],
        env=child_environment(RUN_DIR=str(stack.run_dir)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


async def told(stack: RunningStack, url: str, *, user: str) -> list[str]:
    """Read with the durable consumer up to an event about a user; returns the types."""
    client = await nats.connect(
        url,
        inbox_prefix=f"_INBOX.{NAME}",
        allow_reconnect=False,
        tls=ssl.create_default_context(cafile=stack.document["natsCaFile"]),
    )
    subscription = await client.jetstream(timeout=PATIENCE_SECONDS).pull_subscribe(
        "", durable=NAME, stream=STREAM
    )
    types: list[str] = []
    try:
        while True:
            for message in await subscription.fetch(64, timeout=10):
                event = json.loads(message.data)
                types.append(event["eventType"])
                await message.ack_sync(timeout=PATIENCE_SECONDS)
                if event["aggregateId"] == user:
                    return types
    except (TimeoutError, NatsTimeoutError):
        return types
    finally:
        await client.close()


async def test_reader_continues_where_it_stopped_and_can_be_removed(shop: Shop) -> None:
    stack = shop.stack
    added = reader(stack, "--name", NAME)
    again = reader(stack, "--name", NAME)
    url = added.stdout.strip()
    first = await shop.user()
    before = await told(stack, url, user=first)
    second = await shop.user()
    after = await told(stack, url, user=second)
    assert is_let_in(stack, url)

    removed = reader(stack, "--name", NAME, "--remove")

    assert (added.returncode, again.stdout, removed.returncode) == (0, added.stdout, 0)
    assert before[-1] in {"user.created", "wallet.created"}
    assert 0 < len(after) < len(before) + 10
    assert not is_let_in(stack, url)


def is_let_in(stack: RunningStack, url: str) -> bool:
    """Connect from a separate process: a refused client leaves its socket open."""
    done = subprocess.run(
        [sys.executable, "-c", _TRY, url, stack.document["natsCaFile"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or "Authorization Violation" in done.stderr
    return done.returncode == 0


_TRY = """
import asyncio, ssl, sys, nats
async def quiet(error): pass
async def main():
    believed = ssl.create_default_context(cafile=sys.argv[2])
    await nats.connect(sys.argv[1], allow_reconnect=False, error_cb=quiet, tls=believed)
asyncio.run(main())
"""


@pytest.mark.slow
def test_reserved_and_invalid_reader_names_are_refused(stack: RunningStack) -> None:
    for name in (
        "escrow",
        "admin",
        "reader",
        "ledger-deposits",
        "",
        "a.b",
        "a>",
        "A",
        "-a",
        "a" * 41,
    ):
        done = reader(stack, f"--name={name}")
        assert (done.returncode, done.stdout) == (2, ""), name
        assert done.stderr.startswith(
            "reader: NAME must be lower-case letters, digits and dashes"
        ), done.stderr
