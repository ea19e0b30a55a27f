"""Secrets of one stack: made at its first start, kept in RUN_DIR, readable by its owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chassis.signature import new_key

_FILE = "credentials.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The secrets by name.

    service_secret signs identities between services, event_signing_key what escrow publishes;
    api_key is "" until one was made.
    """

    service_secret: str
    api_key_pepper: str
    token_secret: str
    event_signing_key: str
    api_key: str = ""


def load(run_dir: Path) -> Credentials:
    """Return the stack's secrets; makes those that are missing, as after an update."""
    path = run_dir / _FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    made = {
        "service_secret": secrets.token_urlsafe(32),
        "api_key_pepper": secrets.token_urlsafe(32),
        "token_secret": secrets.token_urlsafe(32),
        "event_signing_key": new_key(),
    }
    found = Credentials(**{**made, **known})
    if asdict(found) != known:
        write_private(path, json.dumps(asdict(found)))
    return found


def remember_api_key(run_dir: Path, *, credentials: Credentials, api_key: str) -> Credentials:
    """Keep the demo marketplace's key for the next start."""
    changed = replace(credentials, api_key=api_key)
    write_private(run_dir / _FILE, json.dumps(asdict(changed)))
    return changed


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, with mode 0600 from its first byte."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    fresh.replace(path)
