"""Every event matches its contract, and every contract has an event that is produced.

The event types come from the contracts: the comment above each payload message.
"""

import importlib
import re
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from google.protobuf import json_format
from orchestrator.disputes.v1 import disputes_pb2 as disputes
from orchestrator.orders.v1 import orders_pb2 as orders

from gateway import asyncapi
from kernel.ids import from_public
from tests.contract.builders import VALID, keyed, usdc
from tests.contract.city import City
from tests.contract.world import PRICE, READY, World
from tests.outboxes import kept

_DRAFT = "http://json-schema.org/draft-07/schema#"
PROTOS = Path(__file__).resolve().parents[2] / "protos/orchestrator"
SCHEMAS = ("orders", "ledger", "escrow", "disputes", "webhooks")
# Events that a healthy network does not cause, or that need hours (a lapsed offer).
NEEDS_A_FAILURE = {"order.escrow_failed", "escrow.failed", "offer.lapsed", "withdrawal.failed"}
# Events that need days.
NEEDS_DAYS = {
    "order.deadline_warning",
    "order.deadline_passed",
    "dispute.overdue",
    "webhook.disabled",
}
FIELDS = {
    "eventId",
    "eventType",
    "occurredAt",
    "aggregateId",
    "aggregateType",
    "version",
    "payload",
    "metadata",
}
AGGREGATES = {
    "Order": "ord",
    "Escrow": "esc",
    "Dispute": "dsp",
    "Offer": "off",
    "Wallet": "wal",
    "User": "usr",
    "Balance": "usr",
    "Deposit": "dep",
    "Withdrawal": "wd",
    "Webhook": "wh",
}
DEPOSIT = "escrow.deposit_confirmed"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
CENTS = re.compile(r"(0|[1-9][0-9]*)\.[0-9]{2}")
STROOPS = re.compile(r"(0|[1-9][0-9]*)\.[0-9]{7}")
AMOUNTS = {
    "amount",
    "newBalance",
    "reservedBalance",
    "releasedAmount",
    "refundedAmount",
    "releaseAmount",
    "refundAmount",
}


def payloads() -> dict[str, Any]:
    """Read the contracts: event type → payload message."""
    table = {}
    for path in sorted(PROTOS.glob("*/v1/events.proto")):
        service = path.parts[-3]
        module = importlib.import_module(f"orchestrator.{service}.v1.events_pb2")
        described = re.findall(
            r"^// ([a-z]+\.[a-z_]+)\b.*\n(?:^//.*\n)*^message (\w+)", path.read_text(), re.MULTILINE
        )
        assert {name for _, name in described} == set(module.DESCRIPTOR.message_types_by_name)
        for event_type, name in described:
            assert event_type not in table
            table[event_type] = getattr(module, name)
    return table


def written(city: City, marketplace_id: uuid.UUID) -> list[dict[str, Any]]:
    """Read a marketplace's events from every outbox, each aggregate's in order."""
    return [
        event
        for schema in SCHEMAS
        for event in kept(city.database.url(), schema, "marketplace_id = %s", marketplace_id)
    ]


@pytest.fixture(scope="session")
async def events(city: City) -> list[dict[str, Any]]:
    """Run everything that a marketplace can do, and return the events."""
    world = World(city=city, way="socket")
    await _purchase(world)
    await world.after(await world.an_order_at_work(), "RefundOrder")
    await world.after(await world.an_order(), "ReserveFunds", "CancelOrder")
    await _dispute(world)
    await _offers(world)
    await _credit(world)
    for method in ("CommitWithdrawal", "ApproveWithdrawal", "CancelWithdrawal"):
        await world.call("orders", method, await READY["orders", method](world))
    return written(city, world.marketplace_id)


async def _purchase(world: World) -> None:
    order_id = await world.an_order_at_work()
    await world.after(order_id, "CompleteMilestone", "DeliverOrder", "ReleaseFunds")


async def _dispute(world: World) -> None:
    order_id = await world.after(await world.an_order_at_work(), "OpenDispute")
    order = await world.call("orders", "GetOrder", orders.GetOrderRequest(order_id=order_id))
    assign = keyed(disputes.AssignDisputeRequest, dispute_id=order.dispute.id, agent_id="agent-1")
    await world.call("disputes", "AssignDispute", assign)
    for method in ("UnassignDispute", "AddMessage", "AddEvidence"):
        request = VALID["disputes"][method]()
        request.dispute_id = order.dispute.id
        await world.call("disputes", method, request)
    decision = VALID["orders"]["ResolveDispute"]()
    decision.dispute_id, decision.wait_seconds = order.dispute.id, 60
    resolved = await world.call("orders", "ResolveDispute", decision)
    assert resolved.state == orders.ORDER_STATE_CLOSED


async def _offers(world: World) -> None:
    order_id = await world.an_order_at_work()
    for method in ("DeclineOffer", "AcceptOffer"):
        request = VALID["orders"][method]()
        request.order_id, request.offer_id = order_id, await world.an_offer(order_id)
        if hasattr(request, "wait_seconds"):
            request.wait_seconds = 60
        await world.call("orders", method, request)


async def _credit(world: World) -> None:
    world.city.allow_credits(world.marketplace_id)
    buyer, _ = await world.people()
    request = VALID["orders"]["CreditUser"]()
    request.user, request.wait_seconds = buyer.id, 60
    credit = await world.call("orders", "CreditUser", request)
    assert credit.state == "SUCCEEDED"


def test_every_event_type_belongs_to_a_subject_of_the_bus() -> None:
    families = {event_type.partition(".")[0] for event_type in payloads()}

    assert families == {
        "order",
        "escrow",
        "balance",
        "dispute",
        "offer",
        "user",
        "wallet",
        "withdrawal",
        "webhook",
    }


def test_every_payload_matches_its_contract(events: list[dict[str, Any]]) -> None:
    table = payloads()

    for event in events:
        message = table[event["eventType"]]()
        json_format.ParseDict(event["payload"], message, ignore_unknown_fields=False)
        # Names must be camelCase, as documented; proto3 JSON would also accept snake_case.
        names = {field.json_name for field in message.DESCRIPTOR.fields}
        assert set(event["payload"]) <= names, event


def test_every_event_is_as_the_asyncapi_document_says(events: list[dict[str, Any]]) -> None:
    components = asyncapi.document()["components"]
    for event in events:
        own = {"$ref": f"#/components/schemas/{event['eventType']}"}
        schema = {"$schema": _DRAFT, "components": components, "allOf": [own]}
        jsonschema_rs.validate(schema, event)


def test_every_event_type_is_produced(events: list[dict[str, Any]]) -> None:
    assert {event["eventType"] for event in events} == set(
        payloads()
    ) - NEEDS_A_FAILURE - NEEDS_DAYS


def test_every_event_has_the_documented_fields(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert set(event) == FIELDS
        assert set(event["metadata"]) == {
            "correlationId",
            "causationId",
            "userId",
            "marketplaceId",
        }
        assert from_public("evt", event["eventId"]) is not None
        assert INSTANT.fullmatch(event["occurredAt"])
        assert event["aggregateId"].startswith(AGGREGATES[event["aggregateType"]] + "_")


def test_versions_count_from_one_without_gaps(events: list[dict[str, Any]]) -> None:
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        versions[event["aggregateType"], event["aggregateId"]].append(event["version"])

    assert all(seen == [*range(1, len(seen) + 1)] for seen in versions.values())


def test_event_ids_are_unique(events: list[dict[str, Any]]) -> None:
    assert len({event["eventId"] for event in events}) == len(events)


def test_amounts_are_decimals_and_instants_are_utc(events: list[dict[str, Any]]) -> None:
    for event in events:
        amount = STROOPS if event["eventType"] == DEPOSIT else CENTS
        for name, value in event["payload"].items():
            if name.endswith("At"):
                assert INSTANT.fullmatch(value), event
            if name in AMOUNTS:
                assert amount.fullmatch(value), event


def test_split_has_release_and_refund_events_before_close(events: list[dict[str, Any]]) -> None:
    disputed = next(e["aggregateId"] for e in events if e["eventType"] == "order.disputed")
    told = [
        (event["eventType"], event["payload"].get("amount"))
        for event in events
        if event["aggregateId"] == disputed
    ]

    assert told[-3:] == [
        ("order.released", "50.00"),
        ("order.refunded", "30.00"),
        ("order.closed", None),
    ]
    assert usdc(5000).minor_units + usdc(3000).minor_units == usdc(PRICE).minor_units
