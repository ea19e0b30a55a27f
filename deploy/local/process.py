"""Child processes. Each has its own session and log file, and is stopped with its stop signal.

Each child asks the kernel for a signal when its parent dies (Linux), so even `kill -9` of a
supervisor leaves no process running. The kernel ties this to the *thread* that starts the child, so
start children only from the main thread.
"""

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from deploy.local.forked import Fork
from deploy.local.parent import signal_when_it_dies

POLL_SECONDS = 0.02


@dataclass(eq=False)
class NotReadyError(Exception):
    """A process ended, or did not become ready in time.

    exit_code: None: the process still runs. log_tail: the last lines of its log.
    """

    name: str
    exit_code: int | None
    log_tail: str

    def __str__(self) -> str:
        state = "is not ready" if self.exit_code is None else f"ended with {self.exit_code}"
        return f"{self.name} {state}; the end of its log:\n{self.log_tail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. user: the account that runs it (only root may choose another account).

    is_forked: a `python -m` command, started as a fork of the process that has imported the code.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    user: pwd.struct_passwd | None = None
    folder: Path | None = None
    is_forked: bool = False


@dataclass(slots=True)
class Process:
    """One running command. Its output is appended to `log_path`."""

    command: Command
    log_path: Path
    _child: "subprocess.Popen[bytes] | Fork" = field(init=False)
    _log_start: int = field(init=False)
    _is_asked_to_stop: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._child = self._forked() if self.command.is_forked else _spawn(self.command, log)

    @property
    def pid(self) -> int:
        """The process id. It is also the group id."""
        return self._child.pid

    def exit_code(self) -> int | None:
        """Return the exit code (negative: the signal that ended it); None while it runs."""
        return self._child.poll()

    def request_stop(self) -> None:
        """Send the stop signal once. A second signal would cut a graceful stop short."""
        if self.exit_code() is None and not self._is_asked_to_stop:
            self._is_asked_to_stop = True
            self._child.send_signal(self.command.stop_signal)

    def stop(self, *, timeout_seconds: float = 15) -> int:
        """Stop the process and return its exit code. If it takes too long, kill its group."""
        self.request_stop()
        try:
            return self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """Kill the process and its group at once (SIGKILL); returns the exit code."""
        # A fork that has not started the program yet has no group of its own.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
        return self._child.wait()

    def _forked(self) -> Fork:
        command = self.command
        return Fork(
            command.argv,
            environment=command.environment,
            folder=command.folder,
            log_path=self.log_path,
            stop_signal=command.stop_signal,
        )

    def rotate_log(self, *, above_bytes: int) -> None:
        """Move a log that is larger to `….log.1`, and start it anew; replaces an older `….log.1`.

        The process keeps appending to the same file. Lines written during the copy can be lost.
        """
        # The file may have been deleted.
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > above_bytes:
                shutil.copyfile(self.log_path, self.log_path.with_name(self.log_path.name + ".1"))
                os.truncate(self.log_path, 0)
                self._log_start = 0

    def log(self) -> str:
        """Return what this run has logged since the log was rotated."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def log_tail(self, *, lines: int = 20) -> str:
        """Return the last lines that this run has logged."""
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float = 30) -> None:
        """Wait until `ready()` returns True.

        Raises: NotReadyError: the process ended first, or the time limit is reached.
        """
        deadline = time.monotonic() + timeout_seconds
        while not ready():
            code = self.exit_code()
            if code is not None and ready():
                return  # it ended between the two looks, as it was waited for
            if code is not None or time.monotonic() > deadline:
                raise NotReadyError(self.command.name, code, self.log_tail())
            time.sleep(POLL_SECONDS)


def run(command: Command, *, log_path: Path, timeout_seconds: float = 60) -> None:
    """Run a command until it ends.

    Raises: NotReadyError: it failed, or took too long and was killed.
    """
    process = Process(command, log_path)
    try:
        process.wait_until(lambda: process.exit_code() == 0, timeout_seconds=timeout_seconds)
    finally:
        if process.exit_code() is None:
            process.kill()


def wait_for_an_end(processes: Iterable[Process], *, seconds: float) -> None:
    """Wait until one of the processes has ended, at most this long.

    Raises: OSError: the kernel cannot watch them.
    """
    with contextlib.ExitStack() as stack:
        ends = select.poll()
        for process in processes:
            end = os.pidfd_open(process.pid)
            stack.callback(os.close, end)
            ends.register(end, select.POLLIN)
        ends.poll(seconds * 1000)


def python_module(*arguments: str) -> list[str]:
    """Return the command line of `python -m …` with the current interpreter."""
    return [sys.executable, "-m", *arguments]


def _spawn(command: Command, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    user = command.user if os.geteuid() == 0 else None
    return subprocess.Popen(
        command.argv,
        env=dict(command.environment),
        cwd=command.folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        # The hook takes no lock. It runs after the change of user, which would reset the signal.
        preexec_fn=_die_with_parent(command.stop_signal),  # noqa: PLW1509 - one system call
    )


def _die_with_parent(stop_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def hook() -> None:
        signal_when_it_dies(stop_signal)
        if os.getppid() != parent:
            # The parent died between fork and prctl, so its signal would never arrive.
            os._exit(1)

    return hook
