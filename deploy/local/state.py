"""How other programs find a running stack: RUN_DIR/stack.json, and a lock held while it runs.

The kernel releases the lock when its holder ends in any way. A killed supervisor leaves its
stack.json behind, so the lock decides whether a stack runs.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.local.credentials import write_private

STACK_FILE = "stack.json"
_LOCK_FILE = "lock"


class AlreadyRunningError(Exception):
    """Another supervisor uses this RUN_DIR."""


@contextlib.contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Lock the RUN_DIR.

    Raises: AlreadyRunningError.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / _LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"a stack already runs in {run_dir}") from None
        yield


def is_running(run_dir: Path) -> bool:
    """Return whether a supervisor uses the RUN_DIR now."""
    if not (run_dir / _LOCK_FILE).exists():
        return False
    try:
        with locked(run_dir):
            return False
    except AlreadyRunningError:
        return True


def read(run_dir: Path) -> dict[str, Any] | None:
    """Return stack.json of a running stack; None: no stack runs, or it is not ready yet."""
    if not is_running(run_dir):
        return None
    try:
        document: dict[str, Any] = json.loads((run_dir / STACK_FILE).read_text())
    except FileNotFoundError:
        return None
    return document


def was_killed(run_dir: Path) -> bool:
    """Return whether the last supervisor ended without stopping its stack."""
    return (run_dir / STACK_FILE).exists()


def write(run_dir: Path, document: Mapping[str, object]) -> None:
    """Replace stack.json atomically. It contains the demo key, so its mode is 0600."""
    write_private(run_dir / STACK_FILE, json.dumps(document, indent=2) + "\n")


def remove(run_dir: Path) -> None:
    """Delete stack.json, so that no program starts to use the stack."""
    (run_dir / STACK_FILE).unlink(missing_ok=True)
