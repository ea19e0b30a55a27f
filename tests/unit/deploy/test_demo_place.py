"""Each demo has a folder of its own, also while another demo runs."""

from pathlib import Path

from deploy.local import state
from deploy.local.demo.place import _free_folder


def test_a_second_demo_runs_in_another_folder(tmp_path: Path) -> None:
    assert _free_folder(tmp_path) == tmp_path / "demo"

    with state.locked(tmp_path / "demo"):
        assert _free_folder(tmp_path) == tmp_path / "demo-2"
