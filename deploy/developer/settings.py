"""The gateway and the key that commands use: from the environment, or stored by `login`."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chassis import addresses

FILE = "login.json"
READS = frozenset(
    {"ORCHESTRATOR_URL", "ORCHESTRATOR_API_KEY", "ORCHESTRATOR_FAUCET_URL", "XDG_CONFIG_HOME"}
)
_PREFIX = "/api/v1"
_OTHERS = 0o077


class NoPlaceError(Exception):
    """Nobody has logged in, or a setting of the place is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A gateway and a key. faucet_url: "" if there is no faucet."""

    url: str
    api_key: str = field(repr=False)
    faucet_url: str = ""


def load() -> Place:
    """Return the gateway and the key to use. Raises: NoPlaceError."""
    url, key = _read("ORCHESTRATOR_URL"), _read("ORCHESTRATOR_API_KEY")
    faucet = _read("ORCHESTRATOR_FAUCET_URL")
    if url and key:
        return Place(url=base(url), api_key=key, faucet_url=faucet and http(faucet))
    if url or key:
        raise NoPlaceError("ORCHESTRATOR_URL and ORCHESTRATOR_API_KEY go together")
    path = _path()
    try:
        if path.stat().st_mode & _OTHERS:
            raise NoPlaceError(f"{path}: others can read it; say `orchestrator login` again")
        found = Place(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise NoPlaceError("nobody has logged in; say `orchestrator login` first") from None
    except OSError as error:
        raise NoPlaceError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise NoPlaceError(f"{path}: is damaged; say `orchestrator login` again") from None
    return found


def keep(place: Place) -> Path:
    """Store a place in a file that only the owner can read. Raises: NoPlaceError."""
    path = _path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A temporary file is readable only by its owner from the start.
        descriptor, new = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(asdict(place)))
        Path(new).replace(path)
    except OSError as error:
        raise NoPlaceError(f"{path}: {error.strerror}") from None
    return path


def base(url: str) -> str:
    """Return a gateway's URL without the path of its API. Raises: NoPlaceError."""
    return http(url).rstrip("/").removesuffix(_PREFIX)


def http(url: str) -> str:
    """Check a URL and return it. Raises: NoPlaceError: it is not valid."""
    try:
        return addresses.http_url(url)
    except ValueError as error:
        raise NoPlaceError(f"{url!r}: {error}") from None


def _path() -> Path:
    home = _read("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "orchestrator" / FILE


def _read(name: str) -> str:
    return os.environ.get(name, "")
