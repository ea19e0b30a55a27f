"""`make demo`: a fresh stack of its own, every way an order ends, both APIs, and all of it held."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.local.process import python_module
from deploy.local.settings import ROOT, child_environment
from tests.running_stack import free_row

DEMO_SECONDS = 240


@pytest.mark.timeout(DEMO_SECONDS + 60)
def test_the_demo_shows_every_ending_and_all_of_it_holds(tmp_path: Path) -> None:
    done = subprocess.run(
        python_module("deploy.local.demo"),
        env=child_environment(RUN_DIR=str(tmp_path / "run"), PORT_BASE=str(free_row())),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEMO_SECONDS,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert re.fullmatch(r"All held\. \d+\.\d s\.", lines[-1])
    for expected in (
        r"9  order\.closed",
        r"canceled +ord_\w+ +CLOSED CANCELED +[\d.]+ s",
        r"refunded +ord_\w+ +CLOSED REFUNDED +[\d.]+ s",
        r"split +ord_\w+ +CLOSED RELEASED +[\d.]+ s",
        r"create +ORDER_CREATED +pending_payment +[\d.]+ s",
        r"pay +IN_PROGRESS +paid +[\d.]+ s",
        r"deliver +IN_PROGRESS +delivered +[\d.]+ s",
        r"confirm +CLOSED +completed +[\d.]+ s",
    ):
        assert any(re.fullmatch(expected, line) for line in lines), (expected, done.stdout)
