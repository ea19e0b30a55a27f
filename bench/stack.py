"""Starts the stack of a checkout for a measurement, with the checkout's own interpreter.

The stack is that of this checkout or of another commit. A measurement uses only stack.json, HTTP,
SQL and NATS, so that the same measurement works with both.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from bench.checkout import Checkout
from bench.load import Client
from bench.usage import Machine, Usage
from deploy.local import postgres, state
from deploy.local.ports import free_ports
from deploy.local.process import Process
from deploy.local.settings import PORTS, ROOT

START_SECONDS = 120.0
STOP_SECONDS = 60.0
SUPERVISOR = "supervisor"
# The load of a measurement exceeds the default limit of requests.
MORE = {"RATE_LIMIT_PER_MINUTE": "1000000000"}
# With these settings commits have a time and statements are counted. They apply from the server's
# next start.
OBSERVED = (
    "alter system set track_commit_timestamp = on",
    "alter system set shared_preload_libraries = 'pg_stat_statements'",
)
COUNTED = "create extension if not exists pg_stat_statements schema public"


@dataclass(slots=True, kw_only=True)
class Stack:
    """A running stack. seconds: how long its last start took; fresh_seconds: its first start.

    others: how many cores other work used during the last start.
    """

    checkout: Checkout
    folder: Path
    settings: dict[str, str]
    seconds: float = 0.0
    fresh_seconds: float = 0.0
    others: float = 0.0
    _process: Process | None = field(default=None)

    @property
    def document(self) -> dict[str, Any]:
        """The content of stack.json."""
        document = state.read(self.folder / "run")
        assert document is not None, "the stack does not run"
        return document

    @property
    def client(self) -> Client:
        """A client that builds requests for the stack's gateway."""
        document = self.document
        return Client(url=document["url"], api_key=document["apiKey"])

    def usage(self, **more: int) -> Usage:
        """Return the usage of the stack's processes. more: process ids of further parts."""
        assert self._process is not None
        rest = {SUPERVISOR: self._process.pid}
        return Usage({**self.document["pids"], **more}, rest=rest)

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to the stack's database as superuser, in autocommit."""
        return psycopg.connect(self.document["databaseUrl"], autocommit=True)

    def analyze(self) -> None:
        """Give PostgreSQL the statistics that it has itself a minute after tables were filled."""
        with self.connect() as connection:
            connection.execute("analyze")

    def start(self) -> None:
        """Start the stack on its data; return when it is ready. Raises: NotReadyError."""
        run_dir = self.folder / "run"
        command = self.checkout.command(
            "deploy.local",
            **{
                **MORE,
                **self.settings,
                "RUN_DIR": str(run_dir),
                "PORT_BASE": str(free_ports(len(PORTS))),
            },
        )
        before = Machine.now()
        self._process = Process(command, self.folder / "stack.log")
        self._process.wait_until(
            lambda: state.read(run_dir) is not None, timeout_seconds=START_SECONDS
        )
        now = Machine.now()
        self.seconds, self.others = now.at - before.at, now.others(before)

    def stop(self) -> None:
        """Stop the stack; its data stays."""
        if self._process is not None:
            self._process.stop(timeout_seconds=STOP_SECONDS)
            self._process = None

    def restart(self, **settings: str) -> None:
        """Restart the stack on its data. settings: those that change."""
        self.stop()
        self.settings |= settings
        self.start()


@contextlib.contextmanager
def stack(checkout: Checkout, settings: Mapping[str, str]) -> Iterator[Stack]:
    """Start a stack on fresh data, then again on the kept data; stop it after the block.

    From the second start on, its database records the times of commits and counts statements.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=_place()))
    folder.chmod(0o755)
    made = Stack(checkout=checkout, folder=folder, settings=dict(settings))
    try:
        made.start()
        made.fresh_seconds = made.seconds
        with made.connect() as connection:
            for statement in OBSERVED:
                connection.execute(statement)
        made.restart()
        with made.connect() as connection:
            connection.execute(COUNTED)
        yield made
    finally:
        made.stop()
        postgres.remove(folder / "run/postgres")
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> Path:
    """Return a folder on the disk, because a temporary folder could be in memory."""
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    return place
