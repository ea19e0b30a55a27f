"""A request is one trace through gateway, services, outbox and bus to the event's readers."""

from collections.abc import Sequence

from tests.collector import Collector, Span
from tests.e2e.streams import reading
from tests.running_stack import RunningStack, wait_for
from tests.shop import Shop, data_of


def steps(traces: Collector, trace_id: str) -> list[tuple[str, str, str]]:
    """List the spans of a trace: program, kind, name."""
    return [
        (span.service, span.kind, span.name) for span in traces.spans() if span.trace_id == trace_id
    ]


def first_step(traces: Collector, request_id: str) -> Span | None:
    """Return the first span of a request's trace, when it has arrived."""
    return next(
        (s for s in traces.spans() if s.attributes.get("orchestrator.request_id") == request_id),
        None,
    )


def is_whole(spans: Sequence[Span]) -> bool:
    """Tell whether every span except the first has a parent in the same trace."""
    known = {span.span_id for span in spans}
    return sum(span.parent not in known for span in spans) == 1


async def test_request_trace_continues_in_event_readers(
    watched_stack: RunningStack, traces: Collector
) -> None:
    async with Shop.of(watched_stack) as shop:
        pair = await shop.pair(amount="100.00")
        async with reading(shop.client, types="order.*") as reader:
            body = {"buyerId": pair.buyer, "sellerId": pair.seller, "amount": "5.00", "title": "T"}
            created = data_of(await shop.post("/orders", body, x_request_id="traced-order"))
            await reader.until(lambda found: bool(found.told), what="the event was not told")
        refused = await shop.act(created["id"], "release", x_request_id="traced-refusal")

    wait_for(lambda: first_step(traces, "traced-order") is not None)
    begun = first_step(traces, "traced-order")
    assert begun is not None
    trace_id = begun.trace_id
    consumed = ("gateway", "consumer", "process order.created")
    wait_for(lambda: consumed in steps(traces, trace_id))
    wait_for(lambda: is_whole([s for s in traces.spans() if s.trace_id == trace_id]))
    called = ("orders", "server", "orchestrator.orders.v1.OrdersService/CreateOrder")
    assert called in steps(traces, trace_id)
    assert (begun.name, begun.parent) == ("POST /orders", "")
    assert begun.attributes["http.response.status_code"] == 201
    # A refusal is told too, and is no failure of ours.
    wait_for(lambda: first_step(traces, "traced-refusal") is not None)
    begun = first_step(traces, "traced-refusal")
    assert begun is not None
    assert begun.attributes["http.response.status_code"] == refused.status_code == 409
    assert not begun.is_error
    told = [span for span in traces.spans() if span.trace_id == begun.trace_id]
    assert any("orchestrator.reason" in span.attributes for span in told)


async def test_deposit_trace_continues_from_escrow_to_ledger(
    watched_stack: RunningStack, traces: Collector
) -> None:
    async with Shop.of(watched_stack) as shop:
        await shop.give(await shop.user(), "12.00")

    def booked() -> list[Span]:
        return [s for s in traces.spans() if s.name == "process escrow.deposit_confirmed"]

    wait_for(lambda: any(span.service == "ledger" for span in booked()))
    [first, *_] = [span for span in booked() if span.service == "ledger"]
    wait_for(lambda: ("escrow", "internal", "deposit") in steps(traces, first.trace_id))
