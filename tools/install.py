"""Installs the locked packages into .venv, and shows its progress.

Usage: python tools/install.py, with the Python for .venv. It runs before anything is installed, so
it needs only the standard library.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BIN = VENV / "bin"
# Seconds between lines without a terminal; on a terminal, one line is updated each second.
SECONDS_BETWEEN_LINES = 10
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
UV = ("pip", "install", "--quiet", "--require-hashes", "--compile-bytecode")


def main() -> int:
    """Install; return the exit code of the step that failed, or 0."""
    python, uv = str(BIN / "python"), str(BIN / "uv")
    if not (BIN / "python").exists():
        with ticking("Creating .venv", sys.stderr):
            code = run([sys.executable, "-m", "venv", str(VENV)])
        if code:
            return code
    with ticking("Installing the installer", sys.stderr):
        code = run([python, *PIP, "-r", "requirements-bootstrap.lock"])
    if code:
        return code
    # uv takes seconds and pip a minute. pip installs if uv cannot reach the packages.
    with ticking("Installing the packages", sys.stderr):
        code = run([uv, *UV, "--python", python, "-r", "requirements-dev.lock"])
    if code:
        with ticking("Installing the packages with pip", sys.stderr):
            code = run([python, *PIP, "-r", "requirements-dev.lock"])
    return code


def run(command: Sequence[str]) -> int:
    """Run a command to its end; its errors are printed. Return its exit code."""
    return subprocess.run(command, cwd=ROOT, check=False).returncode


@contextmanager
def ticking(
    doing: str, out: TextIO, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Print how long the block takes: every second on a terminal, otherwise every few seconds."""
    started, done = clock(), threading.Event()
    is_terminal = out.isatty()

    def tell(end: str) -> None:
        start = "\r" if is_terminal else ""
        out.write(f"{start}{doing} … {clock() - started:.0f} s{end}")
        out.flush()

    def tick() -> None:
        while not done.wait(1 if is_terminal else SECONDS_BETWEEN_LINES):
            tell("" if is_terminal else "\n")

    ticker = threading.Thread(target=tick)
    tell("" if is_terminal else "\n")
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
        tell("\n")


if __name__ == "__main__":
    sys.exit(main())
