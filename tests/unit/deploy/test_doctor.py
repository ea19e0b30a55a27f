"""The doctor's findings about clocks, and the runbook sections that the doctor names."""

import ast
import datetime as dt
import re

import pytest

from deploy.local.settings import ROOT
from deploy.operator import checks

NOW = dt.datetime(2026, 2, 18, 10, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(("seconds", "state"), [(0, "well"), (60, "well"), (-61, "wrong")])
def test_a_clock_far_from_the_databases_is_reported(seconds: int, state: str) -> None:
    found = checks._clock(NOW, NOW + dt.timedelta(seconds=seconds))

    assert found.state == state


def test_every_section_named_by_doctor_is_in_the_runbook() -> None:
    tree = ast.parse((ROOT / "deploy/operator/checks.py").read_text())
    named = {
        node.args[-1].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "wrong"
        and isinstance(node.args[-1], ast.Constant)
    }

    headings = re.findall(r"^## (.+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)

    assert len(named) > 5
    assert named <= set(headings)
