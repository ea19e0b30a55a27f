"""Runs import-linter on a tree: the contracts of pyproject.toml, without a cache."""

import pathlib
import subprocess
import sys
import tomllib

from deploy.local.settings import ROOT, child_environment

LINTER = pathlib.Path(sys.executable).with_name("lint-imports")


def contracts() -> list[dict[str, object]]:
    """Return the import contracts of pyproject.toml."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    written: list[dict[str, object]] = document["tool"]["importlinter"]["contracts"]
    return written


def lint(tree: pathlib.Path) -> tuple[int, str]:
    """Check a tree that has its own pyproject.toml; returns the exit code and the output."""
    done = subprocess.run(
        [LINTER, "--no-cache", "--no-logo"],
        cwd=tree,
        # Wide, so that the names of an illegal import stay on one line.
        env=child_environment(PYTHONPATH=f"{tree}:{tree / 'gen'}", COLUMNS="500"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
