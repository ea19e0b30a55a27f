"""Every test here reads source: nothing else parses any meanwhile.

CPython counts the depth of what it parses once for all. If a collection of garbage begins in the
middle, and what it ends parses something too (as pytest does to show a line), the outer parse fails
with "AST constructor recursion depth mismatch".
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
