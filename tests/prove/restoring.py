"""Restores a database to an earlier state, while the chain stays where it is.

What an operator does is done as `docs/runbook.md` has it, with the same commands.
"""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.ports import HOST
from deploy.local.postgres import SUPERUSER, binary
from deploy.local.postgres_place import Place, run_as
from deploy.local.settings import PORTS, ROOT, child_environment
from tests.prove.deployment import Deployment

COMMAND_SECONDS = 120


@dataclass(slots=True)
class Window:
    """The time between a copy of the database and its restoring: what is done in it is forgotten.

    `is_open`: the database will be restored to a moment that has passed.
    """

    is_open: bool = False
    spans: list[tuple[float, float]] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def closed(self) -> None:
        """Wait until what is done is not going to be forgotten."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self.is_open)

    async def close(self, span: tuple[float, float]) -> None:
        """Remember the span that has been forgotten."""
        async with self._changed:
            self.spans.append(span)
            self.is_open = False
            self._changed.notify_all()


async def copy(running: Deployment, folder: Path) -> None:
    """Take a copy of the running database, as an operator's nightly job does."""
    port = running.port_base + PORTS.index("postgres")
    where = ["--host", HOST, "--port", str(port), "--username", SUPERUSER]
    how = ["--wal-method", "stream", "--checkpoint", "fast", "--pgdata", str(folder)]
    await _run([binary("pg_basebackup"), *where, *how], {"PATH": os.defpath})


async def put_back(running: Deployment, folder: Path) -> float:
    """Stop everything, replace the database by a copy, start again, and rebuild the stream.

    The stream has been told what the database has forgotten: it is made anew from the outboxes.
    Returns when all had stopped, by the wall's clock.
    """
    await running.stop()
    stopped = time.time()
    await asyncio.to_thread(_replace, Place.of(running.folder / "run" / "postgres").data, folder)
    await running.start()
    await make(running, "rebuild-stream")
    return stopped


def _replace(data: Path, folder: Path) -> None:
    shutil.rmtree(data)
    shutil.copytree(folder, data, symlinks=True)
    data.chmod(0o700)
    user = run_as()
    if user is not None:
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


async def make(running: Deployment, target: str, **arguments: str) -> str:
    """Run one of the operator's commands on the stack; returns what it says.

    Raises: AssertionError: it failed.
    """
    chosen = [f"{name}={value}" for name, value in arguments.items()]
    environment = child_environment(RUN_DIR=str(running.stack.run_dir))
    return await _run(["make", target, *chosen], environment)


async def _run(command: list[str], environment: Mapping[str, str]) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        ["timeout", str(COMMAND_SECONDS), *command],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return str(done.stdout)
