"""The list of events: each event of the stream once, newest first, found by index."""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from orchestrator.common.v1 import common_pb2
from orchestrator.webhooks.v1 import webhooks_pb2

from chassis.database import BY_INDEX
from chassis.nats_settings import STREAM
from kernel.errors import InvalidArgument, NotFound
from kernel.ids import new_id, to_public
from services.webhooks.event_store import PAGES
from tests.patience import until
from tests.serving import Client

from .conftest import House

ROWS = 20_000
_WITH_MANY_DIGITS, _WITH_NO_DIGITS = "2096-02-18T10:00:00.123456789Z", "2096-02-18T10:00:00Z"
# A page's rows are in some pages of the table, and an index has a few levels.
PAGES_MOST = 120


async def listed(house: House, *, client: Client | None = None, **wanted: Any) -> list[str]:
    """Walk through the pages of a list, small ones; returns the ids."""
    found: list[str] = []
    token = ""
    while True:
        page = common_pb2.PageRequest(page_size=3, page_token=token)
        request = webhooks_pb2.ListEventsRequest(page=page, **wanted)
        answer = await (client or house.client).call("ListEvents", request)
        assert len(answer.events) <= 3
        found += [one.event_id for one in answer.events]
        token = answer.next_page_token
        if not token:
            return found


async def recorded(house: House, *events: dict[str, Any]) -> None:
    """Publish events, and wait until the last of them is recorded."""
    await house.publish(*events)
    marketplace_id, last = house.client.marketplace_id, events[-1]["eventId"]

    async def is_there() -> bool:
        return bool(
            house.rows(
                f"select 1 from webhooks.events where id = '{last}'"  # noqa: S608 - of this test
                f" and marketplace_id = '{marketplace_id}'"
            )
        )

    await until(is_there)


def ids(events: Sequence[dict[str, Any]]) -> list[str]:
    """Return the ids of events, newest first."""
    return [one["eventId"] for one in reversed(events)]


def occurring(house: House, minute: int, event_type: str = "order.created", **more: Any) -> Any:
    """Return an event of a minute of a day that is far from being too old."""
    return house.event(event_type, occurredAt=f"2096-02-18T10:{minute:02}:00.000Z", **more)


async def test_pages_have_every_event_once_newest_first_while_others_come(house: House) -> None:
    events = [house.event() for _ in range(8)]
    await recorded(house, *events)
    request = webhooks_pb2.ListEventsRequest(page=common_pb2.PageRequest(page_size=5))
    first = await house.client.call("ListEvents", request)
    await recorded(house, house.event(), house.event())
    request.page.page_token = first.next_page_token
    second = await house.client.call("ListEvents", request)

    told = [*first.events, *second.events]
    assert [one.event_id for one in told] == ids(events)
    assert second.next_page_token == ""
    assert [json.loads(one.event_json) for one in told] == list(reversed(events))


async def test_events_of_one_moment_are_in_the_order_of_the_stream(house: House) -> None:
    events = [occurring(house, 5) for _ in range(7)]
    await recorded(house, *events)

    assert await listed(house) == ids(events)


async def test_filters_leave_out_other_events(house: House) -> None:
    order = to_public("ord", new_id())
    events = [
        occurring(house, 1, "order.created", aggregateId=order),
        occurring(house, 2, "balance.reserved", aggregateId="usr_a", aggregateType="Balance"),
        occurring(house, 3, "order.funds_reserved", aggregateId=order),
        occurring(house, 4, "order.created"),
        occurring(house, 5, "order.closed", aggregateId=order),
        occurring(house, 6, "wallet.created", aggregateId="wal_a", aggregateType="Wallet"),
    ]
    await recorded(house, *events)
    one, two, three, four, five, six = (event["eventId"] for event in events)
    third, fifth = Timestamp(), Timestamp()
    third.FromJsonString("2096-02-18T10:03:00Z")
    fifth.FromJsonString("2096-02-18T10:05:00Z")

    assert await listed(house) == [six, five, four, three, two, one]
    both = ["order.created", "wallet.created"]
    assert await listed(house, event_types=both) == [six, four, one]
    assert await listed(house, event_types=["order.not_yet"]) == []
    assert await listed(house, aggregate_id=order) == [five, three, one]
    assert await listed(house, aggregate_id=order, event_types=both) == [one]
    assert await listed(house, occurred_from=third) == [six, five, four, three]
    assert await listed(house, occurred_to=fifth) == [four, three, two, one]
    assert await listed(house, occurred_from=third, occurred_to=fifth) == [four, three]
    assert await listed(house, occurred_from=third, event_types=both) == [six, four]
    assert await listed(house, occurred_to=fifth, aggregate_id=order) == [three, one]


async def test_another_marketplace_has_none_of_them(house: House) -> None:
    event = house.event()
    await recorded(house, event)
    other = Client(transport=house.client.transport, marketplace_id=uuid.uuid4())
    request = webhooks_pb2.GetEventRequest(event_id=event["eventId"])

    own = await house.client.call("GetEvent", request)
    assert json.loads(own.event_json) == event
    assert await listed(house, client=other) == []
    with pytest.raises(NotFound) as refused:
        await other.call("GetEvent", request)
    assert refused.value.reason == "EVENT_NOT_FOUND"


@pytest.mark.parametrize("token", ["!", "MTIz", "MS4tMQ", "OTk5OTk5OTk5OTk5OTk5OTk5Lj E", "LjE"])
async def test_invalid_cursor_is_refused(house: House, token: str) -> None:
    page = common_pb2.PageRequest(page_size=3, page_token=token)

    with pytest.raises(InvalidArgument):
        await house.client.call("ListEvents", webhooks_pb2.ListEventsRequest(page=page))


async def test_cursor_beyond_the_calendar_is_refused(house: House) -> None:
    far = "OTk5OTk5OTk5OTk5OTk5OTk5LjE"  # 999999999999999999.1
    page = common_pb2.PageRequest(page_size=3, page_token=far)

    with pytest.raises(InvalidArgument):
        await house.client.call("ListEvents", webhooks_pb2.ListEventsRequest(page=page))


async def test_a_cursor_of_another_filter_is_refused(house: House) -> None:
    await recorded(house, *(house.event() for _ in range(3)))
    request = webhooks_pb2.ListEventsRequest(page=common_pb2.PageRequest(page_size=1))
    request.event_types.append("order.created")
    request.page.page_token = (await house.client.call("ListEvents", request)).next_page_token
    await house.client.call("ListEvents", request)
    request.event_types.append("order.closed")

    with pytest.raises(InvalidArgument):
        await house.client.call("ListEvents", request)


async def test_rebuilt_stream_lists_no_event_twice(house: House) -> None:
    events = [house.event() for _ in range(4)]
    await recorded(house, *events)
    await (await house.bus.stream()).delete_stream(STREAM)
    last, old = house.event(), house.event(occurredAt="2020-02-18T10:00:00.000Z")

    await recorded(house, old, *events, last)

    assert await listed(house) == [last["eventId"], *ids(events)]


async def test_events_are_packed_and_read_as_they_were_published(house: House) -> None:
    events = [
        house.event(payload={"orderId": "ord_a", "title": 'Gr\u00fc\u00dfe \u2713"\\'}),
        house.event(aggregateId="a'\"{}b", aggregateType="", occurredAt=_WITH_MANY_DIGITS),
        house.event(occurredAt=_WITH_NO_DIGITS, payload={"text": "x" * 70_000}),
    ]
    await recorded(house, *events)

    assert await stored(house, *events) == [("", True)] * 3
    for event in events:
        request = webhooks_pb2.GetEventRequest(event_id=event["eventId"])
        found = await house.client.call("GetEvent", request)
        assert found.event_json == json.dumps(event)


async def test_nothing_is_packed_while_processes_of_the_version_before_may_run(
    house: House,
) -> None:
    event = house.event()
    with psycopg.connect(house.database.url(), autocommit=True) as connection:
        connection.execute("update webhooks.recording set packs_from = now() + interval '1 minute'")
    # The stream is read from a new beginning, and with that what is noted.
    await (await house.bus.stream()).delete_stream(STREAM)
    await recorded(house, event)

    assert await stored(house, event) == [(json.dumps(event), False)]
    assert await listed(house) == [event["eventId"]]


async def stored(house: House, *events: dict[str, Any]) -> list[Any]:
    """Read the rows of events: the body, and whether there is a packed one."""
    found = house.rows(
        "select id, body, packed is not null from webhooks.events"  # noqa: S608 - of this test
        f" where marketplace_id = '{house.client.marketplace_id}'"
    )
    known = {row[0]: tuple(row[1:]) for row in found}
    return [known[event["eventId"]] for event in events]


async def test_invalid_message_is_skipped_and_blocks_no_event(house: House) -> None:
    stream = await house.bus.stream()
    for strange in (
        house.event(aggregateId="a\0b"),
        house.event(aggregateId="x" * 5000),
        house.event(metadata={"marketplaceId": "nobody"}),
    ):
        await stream.publish("order.created", json.dumps(strange).encode())
    last = house.event()

    await recorded(house, last)

    assert await listed(house) == [last["eventId"]]


async def test_the_role_cannot_change_what_is_recorded(house: House) -> None:
    await recorded(house, house.event())
    with (
        psycopg.connect(house.database.url("webhooks")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update webhooks.events set body = '{}'")


@pytest.mark.parametrize("of_types", [False, True])
@pytest.mark.parametrize("of_aggregate", [False, True])
async def test_a_page_looks_at_few_rows_among_many(
    house: House, *, of_aggregate: bool, of_types: bool
) -> None:
    values = {
        "marketplace_id": house.client.marketplace_id,
        "types": ["order.rare", "order.created", "order.not_yet"],
        "aggregate_id": "ord_8",
        "from": "2026-01-01T00:00:00Z",
        # The page is in the middle of the list: newer events are not read.
        "before": "2026-07-01T00:00:00Z",
        "sequence": 0,
        "limit": 21,
    }
    with psycopg.connect(house.database.url(), options=BY_INDEX, autocommit=True) as connection:
        # Statistics say that the table is empty, as they do while it grows.
        connection.execute("alter table webhooks.events set (autovacuum_enabled = off)")
        connection.execute("vacuum analyze webhooks.events")
        connection.execute(_FILL, {**values, "rows": ROWS})
        connection.execute("set search_path = webhooks")
        statement = PAGES[of_aggregate, of_types]
        # As the services' statements are planned: once, for any values.
        connection.execute("set plan_cache_mode = force_generic_plan")
        [[[plan]]] = connection.execute(
            "explain (analyze, buffers, format json) " + statement, values
        ).fetchall()

    assert plan["Plan"]["Actual Rows"] == 21
    pages = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    assert pages < PAGES_MOST, json.dumps(plan, indent=1)


_FILL = """
insert into webhooks.events (marketplace_id, id, type, aggregate_type, aggregate_id, occurred_at,
                             body, recorded_at)
select %(marketplace_id)s, 'evt_' || n, case when n %% 200 = 0 then 'order.rare' when n %% 2 = 0
       then 'order.created' else 'balance.credited' end, 'Order', 'ord_' || n %% 10,
       '2026-01-01T00:00:00Z'::timestamptz + n * interval '26 minutes', repeat('x', 800), now()
from generate_series(1, %(rows)s) as n
"""
