"""The operator's help describes every command in whole sentences."""

from click.testing import CliRunner

from deploy.operator.__main__ import DEVELOPERS_ROOMS, ROOMS, program


def test_no_summary_of_a_command_is_cut() -> None:
    shown = CliRunner().invoke(program, ["--help"], terminal_width=80).output

    summaries = shown.split("Commands:")[1].splitlines()
    assert [line for line in summaries if line.endswith("...")] == []
    found = [line.split()[0] for line in summaries if line and line != "For developers:"]
    assert found == [*ROOMS, *DEVELOPERS_ROOMS]
