"""Starts a fresh stack for the demo, beside any other stack that runs."""

import contextlib
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.local import postgres, state
from deploy.local.ports import is_free
from deploy.local.process import Command, Process, python_module
from deploy.local.settings import PORTS, ROOT, StackSettings, child_environment

START_SECONDS = 120.0
# A line of the stack's log with the progress of one of its parts.
_PART = re.compile(r"^ *[\d.]+ s  ([\w-]+) +(starting|ready after [\d.]+ s)\n", re.MULTILINE)


@contextlib.contextmanager
def stack(
    settings: StackSettings, *, tell: Callable[[str, str], None]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Start a stack, yield its RUN_DIR and its stack.json, and stop it at the end.

    tell: called with a part's name and its progress while the parts start.

    Raises: NotReadyError: the stack does not start.
    """
    run_dir = _free_folder(settings.run_dir)
    _forget(run_dir)
    log = run_dir.with_suffix(".log")
    log.unlink(missing_ok=True)
    process = Process(
        Command(
            name="stack",
            argv=python_module("deploy.local"),
            environment=child_environment(
                RUN_DIR=str(run_dir), PORT_BASE=str(_free_ports(settings))
            ),
            folder=ROOT,
        ),
        log,
    )
    told = 0

    def is_ready() -> bool:
        nonlocal told
        # Checked before the log is read: everything that was logged before readiness is then told.
        is_up = state.read(run_dir) is not None
        parts = _PART.findall(process.log())
        for part, status in parts[told:]:
            tell(part, status)
        told = len(parts)
        return is_up

    try:
        process.wait_until(is_ready, timeout_seconds=START_SECONDS)
        yield run_dir, state.read(run_dir) or {}
    finally:
        process.stop(timeout_seconds=60)
        _forget(run_dir, keep_logs=True)


def _free_folder(beside: Path) -> Path:
    """Return a RUN_DIR in which no stack runs; other demos may use the first ones."""
    run_dir, number = beside / "demo", 1
    while state.is_running(run_dir):
        number += 1
        run_dir = beside / f"demo-{number}"
    return run_dir


def _forget(run_dir: Path, *, keep_logs: bool = False) -> None:
    """Delete the data of the previous demo's stack, and its logs unless they are kept."""
    postgres.remove(run_dir / "postgres")
    for path in run_dir.glob("*"):
        if path.is_file():
            path.unlink()
        elif not (keep_logs and path.name == "logs"):
            shutil.rmtree(path)


def _free_ports(settings: StackSettings) -> int:
    """Return the first of a row of free ports, searched from PORT_BASE upwards."""
    base = settings.port_base
    while base + len(PORTS) < 65536:  # noqa: PLR2004 - the last port and one
        if all(is_free(base + offset) for offset in range(len(PORTS))):
            return base
        base += len(PORTS) + 1
    return settings.port_base
