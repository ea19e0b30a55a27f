"""Fixtures of the conformance tests: the data, and the stack it is played on."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import books, operator, shop

__all__ = ["books", "data", "operator", "shop"]


@pytest.fixture(scope="session")
def data() -> dict[str, Any]:
    """What the guide prints, as data."""
    text = Path(__file__).with_name("marketplace.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="session")
def party() -> list[dict[str, Any]]:
    """What the party API's document prints, as data: its routes."""
    text = Path(__file__).with_name("party.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found
