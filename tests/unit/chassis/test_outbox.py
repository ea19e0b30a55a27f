"""Events: the published body, and the id that is derived from aggregate and version."""

import datetime as dt
import uuid
from types import SimpleNamespace
from typing import cast

import orjson

from chassis.outbox import Event, Stored, body_of, rows
from kernel.ids import to_public
from tests.outboxes import body

MARKETPLACE = uuid.UUID(int=3)


def an_event(**changes: object) -> Event:
    """An order's second event, changed as asked."""
    fields: dict[str, object] = {
        "event_type": "order.funds_reserved",
        "aggregate_type": "Order",
        "aggregate_id": "ord_1",
        "version": 2,
        "marketplace_id": MARKETPLACE,
        "occurred_at": dt.datetime(2026, 2, 18, 10, 1, 0, 500_000, tzinfo=dt.UTC),
        "payload": {"orderId": "ord_1", "amount": "80.00"},
        "correlation_id": "req-1",
    }
    return Event(**(fields | changes))  # type: ignore[arg-type] # by name, for the tests' ease


def test_the_body_has_the_documented_fields_and_no_other() -> None:
    event = an_event()

    assert orjson.loads(body(event)) == {
        "eventId": to_public("evt", event.event_id),
        "eventType": "order.funds_reserved",
        "occurredAt": "2026-02-18T10:01:00.500Z",
        "aggregateId": "ord_1",
        "aggregateType": "Order",
        "version": 2,
        "payload": {"orderId": "ord_1", "amount": "80.00"},
        "metadata": {
            "correlationId": "req-1",
            "causationId": "",
            "userId": "",
            "marketplaceId": str(MARKETPLACE),
        },
    }


def test_a_short_row_and_its_body_say_the_same() -> None:
    event = an_event(
        payload={"orderId": "ord_1", "title": 'Größe "L"\n'}, causation_id="cause", user_id="usr_1"
    )
    [row] = rows([event])

    stored = SimpleNamespace(**row._asdict(), occurred="2026-02-18T10:01:00.500Z")
    assert row.body == ""
    assert body_of(cast("Stored", stored)) == body(event)
    assert orjson.loads(body(event))["payload"] == event.payload


def test_the_same_version_of_an_aggregate_is_the_same_event() -> None:
    later = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)

    assert an_event().event_id == an_event(occurred_at=later, payload={}).event_id


def test_another_version_aggregate_kind_or_marketplace_is_another_event() -> None:
    ids = {
        an_event().event_id,
        an_event(version=3).event_id,
        an_event(aggregate_id="ord_2").event_id,
        an_event(aggregate_type="Escrow").event_id,
        an_event(marketplace_id=uuid.UUID(int=4)).event_id,
    }

    assert len(ids) == 5
