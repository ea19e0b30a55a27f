"""The limits of a page: rows and bytes, with at least one row."""

import pytest
from orchestrator.common.v1 import common_pb2

from chassis.wire import PAGE_BYTES, fitting

LARGE = common_pb2.PageRequest(page_token="x" * (PAGE_BYTES // 3))
HUGE = common_pb2.PageRequest(page_token="x" * (PAGE_BYTES + 1))
SMALL = common_pb2.PageRequest(page_token="x")


@pytest.mark.parametrize(
    ("given", "size", "fits"),
    [
        ([], 3, 0),
        ([SMALL] * 4, 3, 3),
        ([SMALL] * 3, 3, 3),
        ([LARGE] * 4, 4, 2),
        ([HUGE, SMALL], 2, 1),
        ([SMALL, HUGE], 2, 1),
    ],
    ids=["none", "one more", "all", "large ones", "a huge one", "a huge one after"],
)
def test_page_is_limited_by_rows_and_by_bytes(
    given: list[common_pb2.PageRequest], size: int, fits: int
) -> None:
    assert fitting(given, size) == given[:fits]
