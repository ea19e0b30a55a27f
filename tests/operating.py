"""The operator's commands, run as an operator runs them: each in its own process.

The processes are forked from a process that has already imported the code, because the imports take
most of a second. tests/runbook.py instead types commands into a shell and starts whole programs.
"""

import contextlib
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local import forked
from deploy.local.settings import ROOT, child_environment, replace_environment
from deploy.operator.__main__ import DEVELOPERS, DEVELOPERS_ROOMS, PACKAGE, ROOMS

SECONDS = 60
_PROGRAM = "deploy.operator.__main__"
_forks = multiprocessing.get_context("forkserver")
_ROOMS = sorted(
    {
        *(f"{PACKAGE}.{room}" for room, _ in ROOMS.values()),
        *(f"{DEVELOPERS}.{room}" for room, _ in DEVELOPERS_ROOMS.values()),
    }
)
_forks.set_forkserver_preload(["__main__", __name__, _PROGRAM, *_ROOMS, *forked.CODE])


def operate(
    run_dir: Path, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m deploy.operator` to its end, on the stack of a RUN_DIR by default.

    stdin: the text on its standard input.
    """
    named = child_environment(RUN_DIR=str(run_dir), **environment)
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        process = _forks.Process(target=_run, args=(arguments, named, said, stdin))
        process.start()
        process.join(SECONDS)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, SECONDS)
        return subprocess.CompletedProcess(
            arguments, process.exitcode, *(path.read_text() for path in said)
        )


def _run(
    arguments: Sequence[str], environment: Mapping[str, str], said: Sequence[Path], stdin: str
) -> None:
    """Run the program in a forked process: its environment, folder, output and exit code."""
    from deploy.operator.__main__ import main

    replace_environment(environment)
    os.chdir(ROOT)
    sys.stdin = io.StringIO(stdin)
    with contextlib.ExitStack() as opened:
        out, error = (opened.enter_context(path.open("w")) for path in said)
        opened.enter_context(contextlib.redirect_stdout(out))
        opened.enter_context(contextlib.redirect_stderr(error))
        sys.exit(main(arguments))
