"""The secrets of one stack: created at its first start, stored in RUN_DIR, private to the owner."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chassis.signature import new_key
from deploy.local.nats_users import HOUSE

FILE = "credentials.json"
# The readers have a file of their own, because readers change while the stack runs.
_READERS = "nats_readers.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The secrets by name.

    event_signing_key: signs what escrow publishes. webhook_key: the secrets of webhooks are derived
    from it. nats: passwords by user. api_key, test_key: "" until they are created.
    """

    api_key_pepper: str
    token_secret: str
    event_signing_key: str
    webhook_key: str
    nats: Mapping[str, str]
    api_key: str = ""
    test_key: str = ""


def load(run_dir: Path) -> Credentials:
    """Return the stack's secrets. Missing secrets are created, for example after an update."""
    path = run_dir / FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    made = {
        "api_key_pepper": secrets.token_urlsafe(32),
        "token_secret": secrets.token_urlsafe(32),
        "event_signing_key": new_key(),
        "webhook_key": secrets.token_urlsafe(32),
    }
    passwords = {name: secrets.token_urlsafe(32) for name in HOUSE} | known.get("nats", {})
    # Secrets that only an older version used are removed.
    kept = {name: value for name, value in known.items() if name in Credentials.__slots__}
    found = Credentials(**{**made, **kept, "nats": passwords})
    if asdict(found) != known:
        write_private(path, json.dumps(asdict(found)))
    return found


def readers(run_dir: Path) -> dict[str, str]:
    """Return the passwords of event readers by name."""
    path = run_dir / _READERS
    found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    return found


def let_in(run_dir: Path, name: str) -> str:
    """Return an event reader's password. It is created at the first call."""
    known = readers(run_dir)
    password = known.get(name) or secrets.token_urlsafe(32)
    write_private(run_dir / _READERS, json.dumps({**known, name: password}))
    return password


def shut_out(run_dir: Path, name: str) -> None:
    """Delete an event reader's password."""
    known = {one: password for one, password in readers(run_dir).items() if one != name}
    write_private(run_dir / _READERS, json.dumps(known))


def remember_keys(
    run_dir: Path, *, credentials: Credentials, api_key: str, test_key: str
) -> Credentials:
    """Store the demo marketplace's live and test keys for the next start."""
    changed = replace(credentials, api_key=api_key, test_key=test_key)
    write_private(run_dir / FILE, json.dumps(asdict(changed)))
    return changed


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically, with mode 0600 from its first byte."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    fresh.replace(path)
