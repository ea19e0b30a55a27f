"""The progress line while packages are installed: the current work and its duration."""

import io

from tools.install import ticking


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_line_that_is_replaced() -> None:
    out, times = Terminal(), iter([0.0, 0.0, 3.0])

    with ticking("Installing the packages", out, clock=lambda: next(times)):
        pass

    assert out.getvalue() == ("\rInstalling the packages … 0 s\rInstalling the packages … 3 s\n")


def test_without_a_terminal_each_update_is_a_line() -> None:
    out, times = io.StringIO(), iter([0.0, 0.0, 3.0])

    with ticking("Installing the packages", out, clock=lambda: next(times)):
        pass

    assert out.getvalue() == "Installing the packages … 0 s\nInstalling the packages … 3 s\n"
