"""A stack behind proxies, with second replicas of orders and escrow, that can be stopped whole.

Children die with the thread that started them, so one thread of its own starts them all and lives
as long as the deployment does.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local import postgres
from deploy.local.ports import free_port
from deploy.local.supervisor import Supervisor
from tests.prove.links import Proxies, proxies
from tests.replica import second
from tests.running_stack import RunningStack, free_row, running_stack

SECOND = ("orders", "escrow")
# How long a transaction may land: short, so that transactions expire often.
TRANSACTION_SECONDS = 8
# A part that is killed every few seconds must still run most of the time.
RESTART_PAUSE_SECONDS = 1.0
WATCH_SECONDS = 0.2
SETTINGS: Mapping[str, str] = {
    "TRANSACTION_SECONDS": str(TRANSACTION_SECONDS),
    "RESTART_PAUSE_SECONDS": str(RESTART_PAUSE_SECONDS),
    "CHANNEL_ACCOUNTS": "12",
    "LOG_LEVEL": "info",
}


@dataclass(slots=True, kw_only=True)
class Deployment:
    """The parts of a run. `stack` changes when it is started again."""

    folder: Path
    port_base: int
    proxies: Proxies
    second_ports: Mapping[str, int]
    say: Callable[[str], None]
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1), init=False
    )
    _opened: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)
    _stack: RunningStack | None = field(default=None, init=False)
    _seconds: Supervisor | None = field(default=None, init=False)
    _watching: "asyncio.Task[None] | None" = field(default=None, init=False)

    @property
    def stack(self) -> RunningStack:
        """The running stack."""
        assert self._stack is not None, "the stack is stopped"
        return self._stack

    async def start(self) -> None:
        """Start everything, on the data that is there."""
        await self._in_thread(self._start)
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop everything as an operator does; the data stays."""
        if self._watching is not None:
            self._watching.cancel()
        await self._in_thread(self._stop)

    async def close(self) -> None:
        """Stop what runs, and delete the database."""
        if self._stack is not None:
            await self.stop()
        self._thread.shutdown()
        postgres.remove(self.folder / "run" / "postgres")

    def pid(self, part: str) -> int | None:
        """Return the process id of a part; None while it does not run."""
        name, _, number = part.partition("-")
        known = self._seconds.pids() if number and self._seconds else self.stack.document["pids"]
        pid = int(known[part if number else name])
        return pid if psutil.pid_exists(pid) and not _is_over(pid) else None

    async def _in_thread(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _start(self) -> None:
        self._stack = self._opened.enter_context(
            running_stack(
                self.folder,
                keep=True,
                checkout=None,
                PORT_BASE=str(self.port_base),
                LINKS=self.proxies.setting,
                FORK_PROGRAMS="off",
                **SETTINGS,
            )
        )
        self._seconds = Supervisor(
            say=lambda _line: None,
            changed=lambda: None,
            last_pause_seconds=RESTART_PAUSE_SECONDS,
        )
        for name in SECOND:
            program = second(self.stack, name, port=self.second_ports[name])
            program.start()
            self._seconds.add(program.name, program)
            program.wait_ready()

    async def _watch(self) -> None:
        """Start the second replicas again when they end."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._seconds is not None:
                await self._in_thread(self._seconds.look)

    def _stop(self) -> None:
        if self._seconds is not None:
            self._seconds.stop([[f"{name}-2" for name in SECOND]])
        self._seconds = None
        self._opened.close()
        self._stack = None


def _is_over(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False where the process is gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@contextlib.asynccontextmanager
async def deployment(folder: Path, *, say: Callable[[str], None]) -> AsyncIterator[Deployment]:
    """Run a deployment for the block."""
    row, seconds = free_row(), {name: free_port() for name in SECOND}
    with proxies(port_base=row, more=seconds) as running:
        made = Deployment(
            folder=folder, port_base=row, proxies=running, second_ports=seconds, say=say
        )
        try:
            await made.start()
            yield made
        finally:
            await made.close()
