"""The cost of an order: the sum of its steps' fees, and the page's table."""

from pathlib import Path

import pytest

from bench import cost
from bench.__main__ import PARTS

BEFORE = {"deploy_escrow": 1.0, "create_account": 0.1, "top_up_channels": 5.0}
AFTER = {
    "deploy_escrow": 3.0,
    "fund_escrow": 0.4,
    "release_funds": 0.2,
    "create_account": 0.3,
    "top_up_channels": 9.0,
}
PAGE = "before\n<!-- cost -->\nold\n<!-- end of cost -->\nafter\n"


def test_an_order_costs_the_fees_of_its_own_steps() -> None:
    told = cost.told(cost.PRICES[0], BEFORE, AFTER, orders=4, users=2)

    assert told.figures["cost.order"] == pytest.approx(0.65)
    assert told.figures["cost.user"] == pytest.approx(0.1)
    assert "an order costs 0.6500 XLM, a user 0.10000 XLM" in told.lines[0]


def test_every_network_has_its_own_part() -> None:
    names = {part.name for part in PARTS}

    assert {one.name for one in cost.PRICES} <= names


def test_the_table_is_written_only_if_every_network_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "mainnet.md"
    page.write_text(PAGE)
    figures: dict[str, float] = {}
    for number, one in enumerate(cost.PRICES, start=1):
        assert not cost.write(figures, page=page)
        named = cost.Prices(name=one.name, title=one.title, settings={})
        figures |= cost.told(named, {}, AFTER, orders=number, users=1).figures

    assert page.read_text() == PAGE
    assert cost.write(figures, page=page)

    written = page.read_text()
    assert "| test network | 1.000 | 0.133 | 0.067 | 1.20 |" in written
    assert (written.startswith("before\n"), written.endswith("after\n")) == (True, True)
    assert "old" not in written


def test_the_page_has_a_place_for_the_table() -> None:
    assert cost.TABLE.search(cost.PAGE.read_text(encoding="utf-8")) is not None
