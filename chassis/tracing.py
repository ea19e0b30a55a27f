"""Traces with OpenTelemetry: the steps of one request, in every program that it passes.

The gateway begins a trace, or the first service that an internal caller calls. A call carries the
trace in its metadata. An event carries it in its row of the outbox, and on the bus in the header
`traceparent`. Source of the format: W3C Trace Context, https://www.w3.org/TR/trace-context/.

Tracing is off unless OTEL_EXPORTER_OTLP_ENDPOINT is set. The libraries are then not loaded.
"""

import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING

from kernel.errors import DomainError
from kernel.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.trace import Span, SpanKind

HEADER = "traceparent"
TRACES_PATH = "/v1/traces"
# Mistakes of the caller. Every other refusal counts as the program's failure.
_OF_THE_CALLER = frozenset(
    {
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "FAILED_PRECONDITION",
        "ABORTED",
        "RESOURCE_EXHAUSTED",
    }
)
# How long a program that stops waits for the collector.
END_SECONDS = 2.0
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})")
NO_TRACE: tuple[tuple[str, str], ...] = ()
NOTHING: Mapping[str, str] = {}
UNTRACED: AbstractContextManager[None] = nullcontext()


class _Tracer:
    """The loaded libraries; one object per process. endpoint: the collector's base URL."""

    def __init__(self, *, service: str, endpoint: str, ratio: float) -> None:
        # Imported here, so that a program without traces does not load the libraries.
        from opentelemetry import context, trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self.ratio = ratio
        self.context = context
        self.trace = trace
        self.propagator = TraceContextTextMapPropagator()
        self.provider = TracerProvider(
            # This module decides which traces are kept (`_not_kept`). The others create no spans.
            sampler=ALWAYS_ON,
            resource=Resource.create({"service.name": service, "service.version": VERSION}),
            # The program shuts the provider down itself, before its event loop ends.
            shutdown_on_exit=False,
        )
        self.exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)
        self.provider.add_span_processor(BatchSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("orchestrator", VERSION)
        self.kinds: Mapping[str, SpanKind] = {kind.name.lower(): kind for kind in trace.SpanKind}

    def end(self) -> None:
        """Send the remaining spans. Spans that the collector does not accept in time are lost."""
        ending = threading.Thread(target=self.provider.shutdown, daemon=True)
        ending.start()
        ending.join(END_SECONDS)
        if ending.is_alive():
            self.exporter.shutdown()  # type: ignore[no-untyped-call] # of the library


_running: _Tracer | None = None
# The `traceparent` of the current trace if the trace is not kept, so that it can be passed on.
_unkept: ContextVar[str] = ContextVar("unkept", default="")


@contextmanager
def exported(*, service: str, endpoint: str, ratio: float) -> Iterator[None]:
    """Trace the block, and send the spans to a collector; an empty endpoint: trace nothing.

    endpoint: of OTLP over HTTP, "http://collector:4318". ratio: the share of requests that are
    traced, 0 to 1. If the collector is missing, only traces are lost.
    """
    global _running  # noqa: PLW0603 - one in a process, as its logs are
    if not endpoint:
        yield
        return
    _running = _Tracer(service=service, endpoint=endpoint, ratio=ratio)
    try:
        yield
    finally:
        running, _running = _running, None
        running.end()


def span(
    name: str,
    *,
    kind: str = "internal",
    parent: str | None = None,
    attributes: Mapping[str, str] = NOTHING,
) -> AbstractContextManager["Span | None"]:
    """Trace the block as one step; yields its span, or None if the step is not traced.

    kind: internal, server, client, producer or consumer. parent: a `traceparent` from outside;
    None: the current step, or a new trace. attributes: by OpenTelemetry's names. Of an error only
    the type is recorded, because its text may contain personal data; the error is raised again.
    """
    running = _running
    if running is None or (parent is None and _unkept.get()):
        return UNTRACED
    return _traced(running, name, kind, parent, attributes)


@contextmanager
def _traced(
    running: _Tracer, name: str, kind: str, parent: str | None, attributes: Mapping[str, str]
) -> Iterator["Span | None"]:
    if (unkept := _not_kept(running, parent)) is not None:
        token = _unkept.set(unkept)
        try:
            yield None
        finally:
            _unkept.reset(token)
        return
    context = None if parent is None else running.propagator.extract({HEADER: parent})
    begun = running.tracer.start_span(name, context=context, kind=running.kinds[kind])
    begun.set_attributes(attributes)
    token = running.context.attach(running.trace.set_span_in_context(begun))
    try:
        yield begun
    except DomainError as error:
        _refused(running, begun, error)
        raise
    except Exception as error:
        begun.set_status(running.trace.StatusCode.ERROR, type(error).__name__)
        raise
    finally:
        running.context.detach(token)
        begun.end()


@contextmanager
def continued(
    name: str, *, kind: str, parent: str | None, attributes: Mapping[str, str] = NOTHING
) -> Iterator["Span | None"]:
    """Trace a step of a trace that began elsewhere; without a parent, trace nothing."""
    if _running is None or not parent:
        yield None
        return
    with span(name, kind=kind, parent=parent, attributes=attributes) as begun:
        yield begun


def carried() -> tuple[tuple[str, str], ...]:
    """Return the metadata that carries the current trace to another program; empty: no trace."""
    text = _current()
    return ((HEADER, text),) if text else NO_TRACE


def recorded() -> str:
    """Return the `traceparent` of the current trace if it is kept, otherwise ""."""
    text = _current()
    return text if text.endswith("1") else ""


def _current() -> str:
    running = _running
    if running is None:
        return ""
    now = running.trace.get_current_span().get_span_context()
    if not now.is_valid:
        return _unkept.get()
    return f"00-{now.trace_id:032x}-{now.span_id:016x}-{now.trace_flags & 1:02x}"


def _not_kept(running: _Tracer, parent: str | None) -> str | None:
    """Return the `traceparent` of a trace that is not kept; None: the trace is kept.

    The program that begins a trace decides. An invalid `traceparent` begins a new trace.
    """
    if parent is not None and (found := _TRACEPARENT.fullmatch(parent)) is not None:
        return None if int(found["flags"], 16) & 1 else parent
    if parent is None and running.trace.get_current_span().is_recording():
        return None
    if random.random() < running.ratio:  # noqa: S311 - no secret
        return None
    return f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-00"


def _refused(running: _Tracer, begun: "Span", error: DomainError) -> None:
    begun.set_attribute("orchestrator.code", error.kind)
    begun.set_attribute("orchestrator.reason", error.reason)
    if error.kind not in _OF_THE_CALLER:
        begun.set_status(running.trace.StatusCode.ERROR, error.reason)
