"""How much goes into a page: by number and by size, one at least."""

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
def test_a_page_ends_by_number_and_by_size(
    given: list[common_pb2.PageRequest], size: int, fits: int
) -> None:
    assert fitting(given, size) == given[:fits]
