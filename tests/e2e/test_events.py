"""Events over SSE and NATS: every documented event, filters, replay, and a rebuilt stream."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nats.js.errors import NotFoundError

from chassis.bus import Bus
from chassis.nats_settings import STREAM
from chassis.rebuild import SCHEMAS, rebuild
from deploy.operator.client import Operator
from services.ledger.deposits.service import CONSUMER
from tests.books import assert_sound
from tests.e2e.routes import AS_LIST
from tests.e2e.streams import Told, reading, subscribed, versions, without_gap
from tests.e2e.tenants import client_of
from tests.outboxes import kept
from tests.people import pair as people
from tests.replica import another_gateway
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of, until

# Reference §5: the payload that each event has at least.
PAYLOADS: Mapping[str, str] = {
    "order.created": "orderId buyerId sellerId amount title",
    "order.funds_reserved": "orderId amount buyerId reservedBalance",
    "order.escrow_creating": "orderId escrowId",
    "order.escrow_funding": "orderId escrowId trustlessContractId",
    "order.escrow_funded": "orderId escrowId fundedAt",
    "order.in_progress": "orderId",
    "order.delivered": "orderId deliveredAt",
    "order.release_requested": "orderId requestedBy",
    "order.released": "orderId sellerId amount releasedAt",
    "order.refund_requested": "orderId requestedBy",
    "order.refunded": "orderId buyerId amount refundedAt",
    "order.disputed": "orderId disputeId openedBy reason",
    "order.canceled": "orderId canceledBy reason",
    "order.closed": "orderId finalStatus closedAt",
    "order.escrow_failed": "orderId escrowId reason",
    "escrow.created": "escrowId orderId trustlessContractId amount",
    "escrow.funding_started": "escrowId",
    "escrow.funded": "escrowId fundedAt amount",
    "escrow.milestone_completed": "escrowId",
    "escrow.released": "escrowId releasedAt amount",
    "escrow.refunded": "escrowId",
    "escrow.disputed": "escrowId",
    "escrow.resolved": "escrowId",
    "balance.credited": "userId amount source newBalance",
    "balance.debited": "userId amount destination newBalance",
    "balance.reserved": "userId amount orderId reservedBalance",
    "balance.released": "userId amount orderId reason",
    "dispute.opened": "disputeId orderId openedBy reason",
    "dispute.under_review": "disputeId reviewedBy",
    "dispute.unassigned": "disputeId",
    "dispute.message_added": "disputeId messageId writtenBy",
    "dispute.evidence_added": "disputeId",
    "dispute.resolved": "disputeId decision resolvedBy resolvedAt",
    "user.created": "userId",
    "wallet.created": "walletId",
}
BODY = [
    *("eventId", "eventType", "occurredAt", "aggregateId", "aggregateType", "version"),
    *("payload", "metadata"),
]
METADATA = {"correlationId", "causationId", "userId", "marketplaceId"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The events of orders in every course. begin: the position just before them."""

    begin: str
    told: list[Told]


@pytest.fixture(scope="module")
async def walk(shop: Shop, marketplace_id: str) -> Walk:
    """Run orders through every course, and record the events."""
    before = written(shop.stack, marketplace_id)
    async with reading(shop.client) as reader:
        await shop.user()
        await reader.until(lambda found: bool(found.told), what="a new user was not told")
        await refused_by_the_chain(shop)
        await asyncio.gather(ended_in_every_way(shop), delivered(shop))
        expected = written(shop.stack, marketplace_id) - before
        await reader.until(
            lambda found: expected <= {told.event_id for told in found.told},
            what="something was not told",
        )
        return Walk(begin=reader.told[0].id, told=reader.told[1:])


@pytest.fixture(scope="module")
async def marketplace_id(shop: Shop) -> str:
    return str((await shop.get("/me"))["marketplaceId"])


async def ended_in_every_way(shop: Shop) -> None:
    """Release one order, refund one, cancel one, and split one after a dispute."""
    pair = await shop.pair(amount="1000.00")
    states = ("IN_PROGRESS", "IN_PROGRESS", "FUNDS_RESERVED", "DISPUTED")
    orders = await asyncio.gather(*(shop.order_in(state, pair) for state in states))
    for order_id, command in zip(orders, ("release", "refund", "cancel"), strict=False):
        data_of(await shop.act(order_id, command))
    dispute = (await shop.get(f"/orders/{orders[3]}"))["dispute"]["id"]
    evidence = {"evidence": ["https://example.org/proof"]}
    data_of(await shop.post(f"/disputes/{dispute}/assign", {"agentId": "agent-7"}))
    data_of(await shop.post(f"/disputes/{dispute}/unassign"))
    data_of(await shop.post(f"/disputes/{dispute}/messages", {"text": "Where is it?"}))
    data_of(await shop.post(f"/disputes/{dispute}/evidence", evidence))
    data_of(await shop.resolve(dispute, "SPLIT", releaseAmount="30.00", refundAmount="50.00"))


async def refused_by_the_chain(shop: Shop) -> None:
    """Let the chain refuse an order's funding; then cancel the order."""
    order_id = await shop.order_in("ESCROW_CREATING", await shop.pair(amount="80.00"))
    url = f"{shop.stack.document['devnetUrl']}/faults"
    fault = {"kind": "fail_at_apply", "function": "fund_escrow", "count": 3}
    (await shop.client.post(url, json=fault)).raise_for_status()
    assert (await shop.act(order_id, "fund")).status_code == 502
    (await shop.client.delete(url)).raise_for_status()
    data_of(await shop.act(order_id, "cancel"))


async def delivered(shop: Shop) -> None:
    """Deliver an order, and confirm it as the buyer."""
    async with contextlib.AsyncExitStack() as opened:
        buyer, business = await people(opened, shop, amount="200.00")
        order_id = await buyer.order(business)
        for person, action in ((buyer, "pay"), (business, "deliver"), (buyer, "confirm")):
            answer = await person.act(order_id, action)
            assert answer.is_success, answer.text


def written(stack: RunningStack, marketplace_id: str) -> set[str]:
    """Read the ids of a marketplace's events in every service's own database."""
    url = str(stack.document["databaseUrl"])
    return {
        event["eventId"]
        for schema in SCHEMAS
        for event in kept(url, schema, "marketplace_id = %s", marketplace_id)
    }


def test_every_documented_event_is_published_with_its_payload(
    walk: Walk, marketplace_id: str
) -> None:
    assert set(PAYLOADS) - {told.type for told in walk.told} == set()
    for told in walk.told:
        assert list(told.body) == BODY
        assert told.body["eventType"] == told.type
        wanted = set(PAYLOADS.get(told.type, "").split())
        assert wanted - set(told.body["payload"]) == set(), told.type
        assert set(told.body["metadata"]) == METADATA
        assert told.body["metadata"]["marketplaceId"] == marketplace_id


def test_each_event_is_sent_once_and_in_order_per_aggregate(walk: Walk) -> None:
    ids = [told.event_id for told in walk.told]

    assert len(set(ids)) == len(ids)
    assert without_gap(walk.told)


def test_split_publishes_release_and_refund_before_close(walk: Walk) -> None:
    resolved = next(told for told in walk.told if told.type == "escrow.resolved")
    order_id = resolved.body["payload"]["orderId"]
    ends = [
        (told.type, told.body["payload"].get("amount"))
        for told in walk.told
        if told.body["aggregateId"] == order_id
    ][-3:]

    assert sorted(ends[:2]) == [("order.refunded", "50.00"), ("order.released", "30.00")]
    assert ends[2] == ("order.closed", None)


@pytest.mark.parametrize(
    "query",
    [
        {"types": "order.created"},
        {"types": "order.*"},
        {"types": "order.created,balance.*,order.closed"},
        {"resourceTypes": "Balance"},
        {"resourceTypes": "Deposit"},
        {"resourceTypes": "Order,Wallet"},
        {"types": "escrow.*,order.*", "resourceTypes": "Escrow"},
    ],
)
async def test_filters_return_exactly_the_requested_events(
    shop: Shop, walk: Walk, query: dict[str, str]
) -> None:
    expected = [told for told in walk.told if is_wanted(told, query)]
    assert 0 < len(expected) < len(walk.told)

    async with reading(shop.client, after=walk.begin, **query) as reader:
        await reader.until(lambda found: len(found.told) >= len(expected), what="too little")

    assert reader.told[: len(expected)] == expected


def is_wanted(told: Told, query: Mapping[str, str]) -> bool:
    """Tell whether a filter matches an event, by the rules of the reference."""
    family = told.type.partition(".")[0]
    types, kinds = query.get("types", ""), query.get("resourceTypes", "")
    is_typed = not types or bool({told.type, f"{family}.*"} & set(types.split(",")))
    return is_typed and (not kinds or told.body["aggregateType"] in kinds.split(","))


async def test_reconnecting_client_receives_all_missed_events(shop: Shop, walk: Walk) -> None:
    total = len(walk.told)
    for place in (0, total // 3, total - 2):
        missed = walk.told[place + 1 :]

        async with reading(shop.client, after=walk.told[place].id) as reader:
            await reader.until_told(missed[-1].event_id)

        assert reader.told[: len(missed)] == missed


async def test_list_has_every_event_of_the_stream_once(shop: Shop, walk: Walk) -> None:
    wanted = {told.event_id: told.body for told in walk.told}
    listed: list[dict[str, Any]] = []

    async def is_complete() -> bool:
        listed.clear()
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "100", "from": first, **({"cursor": cursor} if cursor else {})}
            answer = await shop.client.get("/events", params=query, headers=AS_LIST)
            listed.extend(answer.json()["data"])
            cursor = answer.json()["nextCursor"]
        return set(wanted) <= {one["eventId"] for one in listed}

    first = min(told.body["occurredAt"] for told in walk.told)
    await until(is_complete, what="an event was not listed")

    assert len({one["eventId"] for one in listed}) == len(listed)
    assert {one["eventId"]: one for one in listed if one["eventId"] in wanted} == wanted
    one = walk.told[0]
    assert data_of(await shop.client.get(f"/events/{one.event_id}")) == one.body


async def test_new_client_receives_only_new_events(shop: Shop) -> None:
    async with reading(shop.client) as reader:
        user = await shop.user()
        await reader.until(lambda found: len(found.told) > 1, what="nothing was told")

    named = [told.body["payload"]["userId"] for told in reader.told[:2]]
    assert named == [user, user]


async def test_silent_stream_sends_keep_alives(stack: RunningStack) -> None:
    with another_gateway(stack, PING_SECONDS="1") as url:
        key = stack.document["apiKey"]
        async with (
            client_of(stack, key, url=url) as client,
            reading(client, types="dispute.*") as reader,
        ):
            await reader.until(lambda found: found.pings >= 3, what="it was silent")

    assert reader.told == []


async def test_stream_rebuilt_from_the_outbox_is_complete_and_credits_nothing_twice(
    shop: Shop, walk: Walk, marketplace_id: str, operator: Operator
) -> None:
    stack = shop.stack
    expected = written(stack, marketplace_id)
    booked = transfers(stack)
    async with subscribed(stack.document) as plain, reading(shop.client) as throughout:
        count = await rebuild(
            database_url=stack.document["databaseUrl"],
            nats_url=stack.document["natsAdminUrl"],
            authority=Path(stack.document["natsCaFile"]),
        )
        await plain.until(lambda found: len(found.told) >= count, what="too little came again")
        user = await shop.user()
        await throughout.until(
            lambda found: user in {told.body["aggregateId"] for told in found.told},
            what="who stayed connected was not told what happened next",
        )
    async with reading(shop.client, after=walk.told[-1].id) as reader:
        await reader.until(
            lambda found: expected <= {told.event_id for told in found.told},
            what="who came back later missed something",
        )
    await until(lambda: everything_was_handled(stack), what="the ledger did not catch up")

    again = plain.told[:count]
    assert len({told.event_id for told in again}) == count
    for every in (again, reader.told):
        assert all(found == list(range(1, len(found) + 1)) for found in versions(every).values())
    assert transfers(stack) == booked
    await assert_sound(operator)


def transfers(stack: RunningStack) -> list[tuple[Any, ...]]:
    """Read all transfers of the ledger."""
    statement = "select to_jsonb(t) from ledger.transfers t order by number"
    with psycopg.connect(str(stack.document["databaseUrl"])) as connection:
        return connection.execute(statement).fetchall()


async def everything_was_handled(stack: RunningStack) -> bool:
    """Tell whether the ledger has acknowledged all of its events in the stream."""
    bus = Bus(
        url=stack.document["natsAdminUrl"],
        name="test",
        authority=Path(stack.document["natsCaFile"]),
    )
    try:
        found = await (await bus.stream()).consumer_info(STREAM, CONSUMER)
    except NotFoundError:
        return False  # its consumer is made again first
    finally:
        await bus.close()
    return (found.num_pending, found.num_ack_pending) == (0, 0)
