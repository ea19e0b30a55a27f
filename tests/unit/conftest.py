"""Unit tests run without a network, and Hypothesis without a stopwatch."""

import socket

import hypothesis
import pytest

# A shared machine may stall any example; how long one takes is not what these tests are about.
hypothesis.settings.register_profile("unit", deadline=None)
hypothesis.settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that connects to anything fails: it belongs to integration/."""

    def refuse(*_arguments: object) -> None:
        raise AssertionError("a unit test tried to open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
