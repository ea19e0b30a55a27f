"""Starts programs as forks of one process that has imported their code.

Importing its code takes a program of the stack a second. The tests start many stacks, and save most
of that. The program runs as it always does: its environment,
its folder, its output, its exit code. Where FORK_PROGRAMS is off, nothing here is used.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path

from deploy.local.parent import signal_when_it_dies
from deploy.local.settings import replace_environment

# What is read before, so that it is there in every fork.
CODE = (
    "services.orders.app",
    "services.ledger.app",
    "services.escrow.app",
    "services.disputes.app",
    "gateway.app",
    "gateway.keytool",
    "chassis.migrations.__main__",
    "devnet.app",
)
_forks = multiprocessing.get_context("forkserver")
# Whoever forks more than these says so before the first fork.
_forks.set_forkserver_preload(list(CODE))


def prepare() -> None:
    """Begin to import the code. The first fork waits until that is done."""
    forkserver.ensure_running()


class Fork:
    """One program. Its members are those of subprocess.Popen that `Process` uses."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path | None,
        log_path: Path,
        stop_signal: signal.Signals,
    ) -> None:
        """Start it. argv: a command line of `python -m`."""
        self._process = _forks.Process(
            target=_run,
            args=(argv[2:], dict(environment), folder, log_path, stop_signal),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id, which is its group id as well as soon as the program begins."""
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    def poll(self) -> int | None:
        """Return how it ended (negative: by that signal), None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code


def _run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    folder: Path | None,
    log_path: Path,
    stop_signal: signal.Signals,
) -> None:
    """Become the program."""
    os.setsid()
    signal_when_it_dies(stop_signal)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        # The parent died before the call above, so the signal would never come.
        os._exit(1)
    replace_environment(environment)
    time.tzset()
    if folder is not None:
        os.chdir(folder)
    _redirect(log_path)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module, *arguments = argv
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _redirect(log_path: Path) -> None:
    """Read nothing, and append what is said to a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(log)
