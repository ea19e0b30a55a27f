"""Logs: one JSON object per line, without secrets."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from chassis import telemetry


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a freshly configured logger writes."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    telemetry.configure(service="ledger", level="info")
    yield written
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def only_line(written: io.StringIO) -> dict[str, object]:
    (line,) = written.getvalue().splitlines()
    event: dict[str, object] = json.loads(line)
    return event


def test_an_event_is_one_json_object_with_its_service_level_and_time(lines: io.StringIO) -> None:
    telemetry.logger().info("escrow.funded", escrow_id="esc_1", minor_units=5)

    event = only_line(lines)

    assert (event["event"], event["service"], event["level"]) == ("escrow.funded", "ledger", "info")
    assert (event["escrow_id"], event["minor_units"]) == ("esc_1", 5)
    assert str(event["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "field",
    [
        "secret",
        "service_secret",
        "PASSWORD",
        "access_token",
        "Authorization",
        "api_key",
        "apiKey",
        "x-api-key",
        "api_key_pepper",
        "private_key",
        "signing_seed",
    ],
)
def test_a_secret_is_never_logged(lines: io.StringIO, field: str) -> None:
    telemetry.logger().info("started", **{field: "SXYZ-do-not-show"})

    assert only_line(lines)[field] == "[redacted]"
    assert "SXYZ" not in lines.getvalue()


def test_a_nested_secret_is_not_logged(lines: io.StringIO) -> None:
    headers = {"Authorization": "SXYZ", "accept": "json", "more": [{"token": "SXYZ"}]}

    telemetry.logger().info("asked", headers=headers)

    assert "SXYZ" not in lines.getvalue()
    assert only_line(lines)["headers"] == {
        "Authorization": "[redacted]",
        "accept": "json",
        "more": [{"token": "[redacted]"}],
    }
    assert headers["Authorization"] == "SXYZ"


def test_names_that_only_resemble_a_secret_are_logged(lines: io.StringIO) -> None:
    telemetry.logger().info("asked", idempotency_key="k-1", public_key="G1", key_id="7")

    event = only_line(lines)

    assert (event["idempotency_key"], event["public_key"], event["key_id"]) == ("k-1", "G1", "7")


def test_a_traceback_stays_on_one_line(lines: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        telemetry.logger().exception("background.failed")

    assert "ValueError: invalid literal" in str(only_line(lines)["exception"])


def test_events_below_the_level_are_not_written(lines: io.StringIO) -> None:
    telemetry.logger().debug("rpc")

    assert lines.getvalue() == ""
