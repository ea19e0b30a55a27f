"""Every program of a running stack exports Prometheus metrics."""

import urllib.request
from collections.abc import Mapping
from functools import partial

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.patience import PATIENCE_SECONDS
from tests.running_stack import RunningStack, new_purchase, wait_for

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(stack: RunningStack, program: str) -> Samples:
    """Read a program's metrics: name and labels → value."""
    url = stack.document["metrics"][program]
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - http
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Sum a metric over the labels that are not given."""
    return sum(
        value
        for (found, its), value in samples.items()
        if found == name and labels.items() <= dict(its).items()
    )


def is_measured(stack: RunningStack, program: str) -> bool:
    """Tell whether a program has measured its gauges once."""
    return total(scraped(stack, program), "orchestrator_measured_timestamp_seconds") > 0


async def reserve_again(stack: RunningStack, order_id: str) -> int:
    """Reserve an order that is past that state; returns the status of the refusal."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=PATIENCE_SECONDS) as client:
        answer = await client.post(
            f"/api/v1/orders/{order_id}/reserve",
            headers={"Authorization": f"Bearer {stack.document['apiKey']}"},
        )
    return answer.status_code


async def test_metrics_count_a_purchase_and_a_refusal(stack: RunningStack) -> None:
    programs = ("gateway", "orders", "ledger", "escrow", "disputes", "webhooks")
    before = {program: scraped(stack, program) for program in programs}
    async with new_purchase(stack) as (purchase, _):
        await purchase.register()
        await purchase.deposit()
        await purchase.create()
        await purchase.reserve()
        await purchase.create_escrow()
        await purchase.fund()
        await purchase.release()
        refused = await reserve_again(stack, purchase.order_id)
    after = {program: scraped(stack, program) for program in programs}

    def grew(program: str, name: str, **labels: str) -> float:
        return total(after[program], name, **labels) - total(before[program], name, **labels)

    status, reserve = str(refused), "/orders/{id}/reserve"
    told = "orchestrator_http_seconds_count"
    assert grew("gateway", told, method="POST", route=reserve, status="200") == 1
    assert grew("gateway", told, method="POST", route=reserve, status=status) == 1
    calls = "orchestrator_rpc_seconds_count"
    release, reserving = (
        f"/orchestrator.orders.v1.OrdersService/{name}" for name in ("ReleaseFunds", "ReserveFunds")
    )
    assert grew("orders", calls, method=release, code="OK") == 1
    assert grew("orders", calls, method=reserving, code="OK") == 1
    assert grew("orders", calls, method=reserving) == 2
    for program in ("ledger", "escrow"):
        assert grew(program, calls, code="OK") >= 1
    # Gauges are measured from time to time.
    for program in ("orders", "ledger", "escrow", "disputes", "webhooks"):
        wait_for(partial(is_measured, stack, program))
        found = scraped(stack, program)
        assert total(found, "orchestrator_pool_connections", state="most") > 0
        assert ("orchestrator_outbox_waiting", frozenset()) in found
    # The first look was perhaps before there was one.
    wait_for(lambda: total(scraped(stack, "escrow"), "orchestrator_escrow_channels") > 0)
    escrow = scraped(stack, "escrow")
    assert total(escrow, "orchestrator_escrow_watcher_seen_seconds") < PATIENCE_SECONDS
