"""Turns garbage collection off during the tests here, because they parse source.

CPython has one global counter of the parser's depth. If a garbage collection starts during a parse,
and a finalizer parses too (as pytest does to show a line), the outer parse fails with "AST
constructor recursion depth mismatch".
Source: https://github.com/python/cpython/issues/106905.
"""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def without_collections() -> Iterator[None]:
    """Collect no garbage during a test."""
    gc.disable()
    yield
    gc.enable()
