"""What the tests take from the environment: how long they prove, and where they report."""

import os
from pathlib import Path

from deploy.local.settings import ROOT


def race_rounds() -> int:
    """Return how often each race is run: RACE_ROUNDS."""
    return int(os.environ.get("RACE_ROUNDS", "20"))


def fuzz_examples() -> int:
    """Return how many requests are generated for each operation, at most: FUZZ_EXAMPLES."""
    return int(os.environ.get("FUZZ_EXAMPLES", "3"))


def reports_folder() -> Path | None:
    """Return where figures are written down: REPORTS, below the root; None: nowhere."""
    name = os.environ.get("REPORTS", "")
    return ROOT / name if name else None
