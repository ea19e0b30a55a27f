"""docs/money.md as data: the transfers of each movement, from the tables of the page."""

import re
from collections.abc import Mapping

from deploy.local.settings import ROOT

# A transfer in the document's words: type, code, and of debit, credit, amount what is printed.
Row = Mapping[str, str]
HEADING = "### "


def movements() -> dict[str, list[Row]]:
    """Return the rows of each movement by its heading."""
    text = (ROOT / "docs/money.md").read_text()
    found = {}
    for section in text.split(f"\n{HEADING}")[1:]:
        heading, _, rest = section.partition("\n")
        rows = _rows(rest.split("\n## ")[0])
        if rows:
            found[heading] = rows
    return found


def _rows(section: str) -> list[Row]:
    lines = [line for line in section.splitlines() if line.startswith("|")]
    if not lines:
        return []
    names = _cells(lines[0])
    return [_row(dict(zip(names, _cells(line), strict=True))) for line in lines[2:]]


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def _row(cells: dict[str, str]) -> Row:
    """Drop what is only for readers: the column `ends`, and the words after a figure."""
    cells.pop("ends", None)
    figure = re.match(r"[0-9.]+", cells["amount"])
    assert figure is not None, cells
    return cells | {"amount": figure[0]}
