"""Starts programs as forks of one process that has already imported their code.

A program takes about a second to import its code, and 60 MiB of memory for it. Forks share both.
Like any other program, a forked one has its own environment, folder, output, exit code and name in
`ps`. With FORK_PROGRAMS=off this module is not used.
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

from setproctitle import setproctitle

from deploy.local.environment import AMBIENT
from deploy.local.parent import signal_when_it_dies
from deploy.local.settings import environment_of, replace_environment

# Imported before the first fork, so that every fork has it.
CODE = (
    "deploy.local.loading",
    "services.orders.app",
    "services.ledger.app",
    "services.escrow.app",
    "services.disputes.app",
    "services.webhooks.app",
    "gateway.app",
    "gateway.server",
    "gateway.keytool",
    "chassis.migrations.__main__",
    "devnet.app",
    "deploy.local.forked",
    "deploy.local.loaded",
)
_forks = multiprocessing.get_context("forkserver")
# A caller that forks other modules sets another list before the first fork.
_forks.set_forkserver_preload(list(CODE))


def prepare() -> None:
    """Start to import the code. The first fork waits until the import is complete.

    The importing process gets no settings of any program, because its forks could read them in
    /proc.
    """
    with environment_of(AMBIENT):
        forkserver.ensure_running()


class Fork:
    """One forked program, with the members of subprocess.Popen that `Process` uses."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path | None,
        log_path: Path,
        stop_signal: signal.Signals,
    ) -> None:
        """Start the program. argv: the arguments of `python -m`."""
        self._process = _forks.Process(
            target=_run,
            args=(argv[2:], dict(environment), folder, log_path, stop_signal),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id. It is also the group id once the program has started."""
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code (negative: the signal that ended it); None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal if the program still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program has ended. Raises: subprocess.TimeoutExpired."""
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
    """Turn the forked process into the program."""
    # Only the supervisor may keep the forking process alive: that process ends with the supervisor,
    # and so does this one, by the signal below.
    held: int = forkserver._forkserver._forkserver_alive_fd  # type: ignore[attr-defined] # noqa: SLF001 - only there
    os.close(held)
    os.setsid()
    # Set before the environment is replaced: the title overwrites the memory of the old
    # environment.
    setproctitle(" ".join(("python -m", *argv)))
    signal_when_it_dies(stop_signal)
    parent = multiprocessing.parent_process()
    if parent is None or not parent.is_alive():
        # The parent died before the call above, so its signal would never arrive.
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
    """Redirect standard input from /dev/null, and all output to the end of a file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number, file in ((0, nothing), (1, log), (2, log)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(log)
