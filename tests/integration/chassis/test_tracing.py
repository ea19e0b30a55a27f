"""Traces: begun once, carried in a traceparent, exported with what went wrong, off unless asked."""

import subprocess
import sys
import time

import pytest

from chassis import tracing
from deploy.local.ports import free_port
from deploy.local.settings import ROOT, child_environment
from kernel.errors import NotFound, Unavailable
from tests.collector import Span, collector


def exported(ratio: float, *, parent: str | None = None) -> list[Span]:
    """Trace one step and a step inside of it; return what arrived at a collector."""
    with collector() as found:
        with (
            tracing.exported(service="orders", endpoint=found.url, ratio=ratio),
            tracing.span("outer", kind="server", parent=parent),
            tracing.span("inner"),
        ):
            pass
        return found.spans()


def test_a_step_inside_another_is_its_child() -> None:
    inner, outer = exported(1.0)
    assert (inner.name, outer.name) == ("inner", "outer")
    assert (outer.service, outer.kind, inner.kind) == ("orders", "server", "internal")
    assert inner.trace_id == outer.trace_id
    assert (inner.parent, outer.parent) == (outer.span_id, "")


@pytest.mark.parametrize(("ratio", "flag", "kept"), [(1.0, "00", 0), (0.0, "01", 2)])
def test_the_beginner_of_a_trace_decides_whether_it_is_kept(
    ratio: float, flag: str, kept: int
) -> None:
    spans = exported(ratio, parent=f"00-{'a' * 32}-{'b' * 16}-{flag}")
    assert len(spans) == kept
    assert all(span.trace_id == "a" * 32 for span in spans)


@pytest.mark.parametrize(
    "parent",
    ["", "x", f"00-{'0' * 32}-{'b' * 16}-01", f"ff-{'a' * 32}-{'b' * 16}-01", "00-é-1-01"],
    ids=["empty", "a word", "zero", "forbidden version", "not ASCII"],
)
def test_an_invalid_traceparent_begins_a_new_trace(parent: str) -> None:
    assert [span.trace_id == "a" * 32 for span in exported(1.0, parent=parent)] == [False, False]


def test_carried_metadata_continues_the_trace() -> None:
    with collector() as found:
        with tracing.exported(service="orders", endpoint=found.url, ratio=1.0):
            with tracing.span("here", kind="server"):
                [(name, carried)] = tracing.carried()
                assert carried == tracing.recorded()
            with tracing.continued("there", kind="consumer", parent=carried):
                pass
            with tracing.continued("nowhere", kind="consumer", parent=None):
                pass
        here, there = found.spans()
    assert name == "traceparent"
    assert (there.trace_id, there.parent) == (here.trace_id, here.span_id)


def test_an_unkept_trace_is_carried_but_not_recorded() -> None:
    with (
        collector() as found,
        tracing.exported(service="orders", endpoint=found.url, ratio=0.0),
        tracing.span("here"),
    ):
        [(_, carried)] = tracing.carried()
        assert carried.endswith("-00")
        assert tracing.recorded() == ""


@pytest.mark.parametrize(
    ("error", "is_error"),
    [(NotFound("no"), False), (Unavailable("away"), True), (KeyError("secret"), True)],
    ids=["refused", "away", "failed"],
)
def test_an_error_is_recorded_without_its_text(error: Exception, is_error: bool) -> None:  # noqa: FBT001
    with collector() as found:
        with (
            tracing.exported(service="orders", endpoint=found.url, ratio=1.0),
            pytest.raises(type(error)),
            tracing.span("step"),
        ):
            raise error
        [span] = found.spans()
    assert span.is_error is is_error
    assert "secret" not in repr(span)
    if isinstance(error, (NotFound, Unavailable)):
        assert span.attributes["orchestrator.code"] == error.kind


def test_without_tracing_nothing_is_carried() -> None:
    with tracing.exported(service="orders", endpoint="", ratio=1.0), tracing.span("step") as begun:
        assert begun is None
        assert tracing.carried() == ()
        assert tracing.recorded() == ""


def test_without_tracing_its_library_is_not_loaded() -> None:
    code = (
        "import sys, services.orders.app, gateway.app;"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(), cwd=ROOT, check=False
    )
    assert asked.returncode == 0


def test_a_missing_collector_delays_nothing() -> None:
    began = time.monotonic()
    with (
        tracing.exported(service="orders", endpoint=f"http://127.0.0.1:{free_port()}", ratio=1.0),
        tracing.span("step"),
    ):
        pass
    assert time.monotonic() - began < tracing.END_SECONDS + 5
