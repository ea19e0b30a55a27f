"""`make demo`: a fresh stack of its own, every way an order ends, both APIs, every check passed."""

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from deploy.local import state
from deploy.local.ports import HOST
from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests.running_stack import free_row

DEMO_SECONDS = 240


@pytest.mark.slow
@pytest.mark.timeout(DEMO_SECONDS + 60)
def test_beside_another_stack_the_demo_starts_its_own_and_every_check_passes(
    tmp_path: Path,
) -> None:
    base = free_row()
    run_dir = tmp_path / "run"
    # What another stack holds: its folder, its gateway's port, and a file that says where it is.
    with state.locked(run_dir), socket.create_server((HOST, base)):
        state.write(run_dir, {"url": f"http://{HOST}:{base}"})
        done = subprocess.run(
            python_module("deploy.local.demo"),
            env=child_environment(RUN_DIR=str(run_dir), PORT_BASE=str(base), COLUMNS="80"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEMO_SECONDS,
        )
        assert json.loads((run_dir / state.STACK_FILE).read_text())["url"].endswith(str(base))

    assert done.returncode == 0, done.stdout + done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80, done.stdout
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert re.fullmatch(r"All checks passed; \d+\.\d s\.", lines[-1])
    for expected in (
        r"postgres +starting",
        r"gateway +ready after [\d.]+ s",
        r"9  order\.closed",
        r"canceled +ord_\w+ +CLOSED CANCELED +[\d.]+ s",
        r"refunded +ord_\w+ +CLOSED REFUNDED +[\d.]+ s",
        r"split +ord_\w+ +CLOSED RELEASED +[\d.]+ s",
        r"wd_\w+ +COMPLETED +[\d.]+ s",
        r"create +ORDER_CREATED +pending_payment +[\d.]+ s",
        r"pay +IN_PROGRESS +paid +[\d.]+ s",
        r"deliver +IN_PROGRESS +delivered +[\d.]+ s",
        r"confirm +CLOSED +completed +[\d.]+ s",
    ):
        assert any(re.fullmatch(expected, line) for line in lines), (expected, done.stdout)
