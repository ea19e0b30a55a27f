"""`make house`: prints the measures of the code beside those of an earlier commit.

Usage: python -m tools.house [--quick] [--record]

--quick leaves out the files that a request passes, because counting them needs a running stack.
--record measures the earlier commit again, and writes before.json. A measure is no gate: the exit
code is 0.
"""

import argparse
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.house import code, requests

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "acc6bed"
RECORD = Path(__file__).with_name("before.json")
Figures = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. most: the wished limit, if there is one."""

    key: str
    label: str
    most: int | None = None


ROWS = (
    Row("functions", "functions"),
    Row("median", "  lines of a function, median"),
    Row("p90", "  lines of a function, nine in ten have at most"),
    Row("longest", "  lines of the longest function", 60),
    Row("once", "private functions used once"),
    Row("once_percent", "  in % of all functions", 12),
    Row("reserve", "files that a reservation passes"),
    Row("reserve_most", "  in the service with the most, of its own", 7),
    Row("release", "files that a release passes"),
    Row("release_most", "  in the service with the most, of its own", 7),
    Row("deposit", "files that a deposit passes"),
    Row("deposit_most", "  in the service with the most, of its own", 7),
    Row("field", "files that name a plain field of an order", 6),
    Row("shape", "  of them in the REST shape: gateway and proto", 2),
    Row("rpc", "files that name one RPC", 8),
    Row("withdrawals", "files that name withdrawals", 20),
    Row("owners", "class names with several owners", 0),
    Row("words", "house words missing from the glossary", 0),
    Row("engines", "SQLAlchemy engines outside Alembic", 0),
    Row("run_time_sql", "modules that run SQLAlchemy themselves", 0),
    Row("leases", "modules that take leases", 1),
    Row("rule_tests", "tests of orders' rules without a database"),
    Row("untested_rules", "  rules of orders that none of them reaches", 0),
)
_LINE = "{:<49} {:>8} {:>6} {:>5}  {}"


def main() -> None:
    """Measure and print, or record the earlier commit."""
    parser = argparse.ArgumentParser(prog="house", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    if arguments.record:
        with tempfile.TemporaryDirectory(prefix="house-") as folder:
            if not extract(Path(folder)):
                sys.exit(f"house: this clone has no commit {BEFORE}")
            RECORD.write_text(json.dumps(measured(Path(folder), quick=False), indent=2) + "\n")
        return
    print(table(before(), measured(ROOT, quick=arguments.quick)))


def before() -> Figures:
    """Return the earlier commit's figures: measured if this clone has it, or else as recorded.

    The figures of requests are always the recorded ones.
    """
    recorded: dict[str, int] = json.loads(RECORD.read_text())
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        if extract(Path(folder)):
            recorded |= measured(Path(folder), quick=True)
    return recorded


def extract(folder: Path) -> bool:
    """Write the earlier commit into a folder; return whether this clone has the commit."""
    done = subprocess.run(
        ["git", "archive", BEFORE],  # noqa: S607 - git is wherever PATH says
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return False
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return True


def measured(tree: Path, *, quick: bool) -> dict[str, int]:
    """Measure a tree. quick: without the requests, whose measurement needs a running stack."""
    figures = code.measures(code.Tree(tree))
    if not quick:
        print("Tracing one purchase on a stack of its own ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="house-") as folder:
            # If root starts PostgreSQL, it runs as another user.
            Path(folder).chmod(0o755)
            for name, passed in requests.passed(tree, Path(folder)).items():
                figures |= {name: passed.files, f"{name}_most": passed.most}
    return figures


def table(earlier: Figures, now: Figures) -> str:
    """Return the table of both, with the wishes."""
    lines = [_LINE.format("", BEFORE, "now", "wish", "").rstrip()]
    for row in ROWS:
        then, found = earlier.get(row.key), now.get(row.key)
        wish = "" if row.most is None else f"≤ {row.most}" if row.most else "0"
        is_met = ""
        if row.most is not None and found is not None:
            is_met = "met" if found <= row.most else "not met"
        if row.key == "withdrawals" and not found:
            is_met = "none yet"
        cells = ("-" if figure is None else str(figure) for figure in (then, found))
        lines.append(_LINE.format(row.label, *cells, wish, is_met).rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    main()
