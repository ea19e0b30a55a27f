"""Which lists are measured among a million orders."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench import lookups
from bench.lookups import Compared
from gateway.marketplace import view as marketplace
from gateway.party import view as party

PAGED = {"cursor", "offset"}


def _lists(document: dict[str, Any]) -> Iterator[str]:
    """Yield the paths that list something."""
    for path, methods in document["paths"].items():
        read = methods.get("get", {})
        taken = {one.get("name") for one in read.get("parameters", ())}
        if read.get("operationId", "").startswith("list") or taken & PAGED:
            yield path.removeprefix("/api/v1")


@pytest.mark.parametrize(
    ("document", "measured"),
    [(marketplace.document(), lookups.LISTS), (party.document(), lookups.OF_PEOPLE)],
    ids=["marketplace", "party"],
)
def test_every_list_is_measured_or_does_not_grow(
    document: dict[str, Any], measured: dict[str, Any]
) -> None:
    listed = list(_lists(document))

    assert len(listed) > 4
    for path in listed:
        pattern = re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(path)) + "/?"
        is_measured = any(re.fullmatch(pattern, one) for one in measured)
        assert is_measured != (path in lookups.OF_ONE_THING), path


def test_the_report_has_every_list_and_the_worst_ratio() -> None:
    found = [
        Compared(asked="/orders", few=4.0, many=6.0, shown=(20, 20)),
        Compared(asked="/users", few=4.0, many=10.0, shown=(1, 0)),
    ]

    page = lookups.report(found, orders=1_000_000)

    assert "The worst of 2 ratios is 2.50." in page
    assert "| `/users` | 4.0 | 10.0 | 2.50 | 1, 0 |" in page
