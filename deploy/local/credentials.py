"""Secrets of one stack: made at its first start, kept in RUN_DIR, readable by its owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_FILE = "credentials.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """service_secret signs identities between services; api_key is "" until one was made."""

    service_secret: str
    api_key_pepper: str
    token_secret: str
    api_key: str = ""


def load(run_dir: Path) -> Credentials:
    """Return the stack's secrets; makes them where they are missing."""
    path = run_dir / _FILE
    if path.exists():
        return Credentials(**json.loads(path.read_text()))
    made = Credentials(
        service_secret=secrets.token_urlsafe(32),
        api_key_pepper=secrets.token_urlsafe(32),
        token_secret=secrets.token_urlsafe(32),
    )
    write_private(path, json.dumps(asdict(made)))
    return made


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
