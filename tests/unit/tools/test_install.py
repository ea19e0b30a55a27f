"""While packages are installed, a line says what is being done and for how long."""

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


def test_without_a_terminal_each_look_is_a_line() -> None:
    out, times = io.StringIO(), iter([0.0, 0.0, 3.0])

    with ticking("Installing the packages", out, clock=lambda: next(times)):
        pass

    assert out.getvalue() == "Installing the packages … 0 s\nInstalling the packages … 3 s\n"
