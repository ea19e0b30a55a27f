"""Tests of the free ports that tests are given."""

import pytest

from deploy.local import ports


def test_a_port_of_a_row_is_not_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((20_000, 20_003, 20_008, 20_006, 20_020))
    monkeypatch.setattr("deploy.local.ports.secrets.choice", lambda _: next(drawn))
    monkeypatch.setattr(ports, "is_free", lambda _: True)
    monkeypatch.setattr(ports, "_given", set())

    assert ports.free_ports(5) == 20_000
    assert ports.free_port() == 20_008
    assert ports.free_ports(5) == 20_020


def test_a_row_with_a_port_that_is_taken_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((20_000, 20_100))
    monkeypatch.setattr("deploy.local.ports.secrets.choice", lambda _: next(drawn))
    monkeypatch.setattr(ports, "is_free", lambda port: port != 20_002)
    monkeypatch.setattr(ports, "_given", set())

    assert ports.free_ports(3) == 20_100
