"""The demo's output fits a terminal of 80 columns, and no word is cut."""

import io

from rich.console import Console

from deploy.local.demo.purchase import Sight
from deploy.local.demo.view import View, wrapped

WIDEST = Sight(
    step="users and wallets",
    state="RELEASE_REQUESTED",
    buyer_available=1000_0000000,
    buyer_reserved=1000_0000000,
    seller_available=1000_0000000,
    contract=1000_0000000,
    seconds=1234.5,
    hashes=("a" * 64,),
)


def shown(*, is_terminal: bool) -> str:
    output = io.StringIO()
    view = View(console=Console(file=output, force_terminal=is_terminal, width=80))
    with view.working() as working:
        working.show("postgres")
        view.heading()
        view.add(WIDEST)
        view.check(holds=True, name="the order is closed", details="a word " * 30)
        view.check(holds=False, name="the books sum to zero")
    return output.getvalue()


def test_every_line_fits_eighty_columns() -> None:
    lines = shown(is_terminal=False).splitlines()

    assert max(map(len, lines)) <= 80
    assert len(lines) >= 8


def test_the_table_shows_every_cell_whole() -> None:
    [row] = [line for line in shown(is_terminal=False).splitlines() if "wallets" in line]

    assert row.split() == [
        "users", "and", "wallets", "RELEASE_REQUESTED", *["1000.00"] * 4, "1234.5",
    ]  # fmt: skip


def test_a_failed_check_stands_out() -> None:
    lines = shown(is_terminal=False).splitlines()

    assert "  ok      the order is closed" in lines
    assert "  FAILED  the books sum to zero" in lines


def test_a_terminal_shows_which_part_starts_and_for_how_long() -> None:
    assert "postgres 0 s" in shown(is_terminal=True)
    assert "postgres" not in shown(is_terminal=False)


def test_text_breaks_only_between_words() -> None:
    text = f"{'x' * 30} well-known word"

    assert wrapped(text, width=12) == ["x" * 30, "well-known", "word"]
