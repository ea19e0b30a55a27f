"""The operator's commands, run as an operator runs them: a program of their own."""

import subprocess
from pathlib import Path

from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment

SECONDS = 60


def operate(run_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m deploy.operator` to its end, on the stack of a RUN_DIR by default."""
    return subprocess.run(
        python_module("deploy.operator", *arguments),
        env=child_environment(RUN_DIR=str(run_dir), **environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
