"""Where the demo runs: on the stack that runs already, or on a fresh one of its own."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deploy.local import postgres, state
from deploy.local.ports import is_free
from deploy.local.process import Command, Process, python_module
from deploy.local.settings import PORTS, ROOT, StackSettings, child_environment

START_SECONDS = 120.0


@contextlib.contextmanager
def stack(
    settings: StackSettings, *, say: Callable[[str], None]
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the RUN_DIR and stack.json of a running stack; stops it where it was started here.

    Raises: NotReadyError: the fresh stack does not start.
    """
    running = state.read(settings.run_dir)
    if running is not None:
        say(f"Using the stack that runs at {running['url']}")
        yield settings.run_dir, running
        return
    run_dir = settings.run_dir / "demo"
    _forget(run_dir)
    log = settings.run_dir / "demo.log"
    log.unlink(missing_ok=True)
    base = _free_ports(settings)
    say(f"Starting a fresh stack in {run_dir}, at port {base} ...")
    process = Process(
        Command(
            name="stack",
            argv=python_module("deploy.local"),
            environment=child_environment(RUN_DIR=str(run_dir), PORT_BASE=str(base)),
            folder=ROOT,
        ),
        log,
    )
    try:
        process.wait_until(lambda: _ready(run_dir), timeout_seconds=START_SECONDS)
        yield run_dir, state.read(run_dir) or {}
    finally:
        process.stop(timeout_seconds=60)
        _forget(run_dir, keep_logs=True)


def _ready(run_dir: Path) -> bool:
    return state.read(run_dir) is not None


def _forget(run_dir: Path, *, keep_logs: bool = False) -> None:
    """Delete the data of the demo's last stack; its logs may be worth a look."""
    postgres.remove(run_dir / "postgres")
    for path in run_dir.glob("*"):
        if path.is_file():
            path.unlink()
        elif not (keep_logs and path.name == "logs"):
            shutil.rmtree(path)


def _free_ports(settings: StackSettings) -> int:
    """Return the first port of a free row: from PORT_BASE on, so that other stacks may run."""
    base = settings.port_base
    while base + len(PORTS) < 65536:  # noqa: PLR2004 - the last port and one
        if all(is_free(base + offset) for offset in range(len(PORTS))):
            return base
        base += len(PORTS) + 1
    return settings.port_base
