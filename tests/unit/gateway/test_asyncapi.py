"""The AsyncAPI document: every declared event, in every channel that carries it."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from chassis.nats_settings import SUBJECTS
from gateway import asyncapi
from gateway.event_types import DECLARED


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """Return the document as a client reads it."""
    found: dict[str, Any] = json.loads(asyncapi.text())
    return found


def named(document: dict[str, Any], reference: str) -> Any:
    """Resolve a reference of the document. Raises: KeyError: the target does not exist."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_can_be_resolved(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"\$ref":\s*"([^"]+)"', json.dumps(document)))

    assert len(references) > len(DECLARED)
    for reference in references:
        assert named(document, reference)


def test_every_subject_of_the_bus_has_a_channel_with_its_events(document: dict[str, Any]) -> None:
    published = {
        channel["address"].replace("{event}", "*"): channel
        for channel in document["channels"].values()
        if channel.get("servers") == [{"$ref": "#/servers/nats"}]
    }

    assert set(published) == set(SUBJECTS)
    for subject, channel in published.items():
        family = subject.removesuffix("*")
        names = {family + name for name in channel["parameters"]["event"]["enum"]}
        assert names == set(channel["messages"])
        assert names == {name for name in DECLARED if name.startswith(family)}


def test_streams_carry_every_event_and_webhooks_also_the_test_event(
    document: dict[str, Any],
) -> None:
    channels = document["channels"]

    assert set(channels["stream"]["messages"]) == set(DECLARED)
    assert set(channels["webhooks"]["messages"]) == {*DECLARED, "webhook.test"}
    assert {one["action"] for one in document["operations"].values()} == {"send"}
    used = {one["channel"]["$ref"] for one in document["operations"].values()}
    assert used == {f"#/channels/{name}" for name in channels}


EVENT = {
    "eventId": "evt_02VN2GxyMChfxRE0vvYCTA",
    "eventType": "dispute.evidence_added",
    "occurredAt": "2026-02-18T10:05:00.000Z",
    "aggregateId": "dsp_02VN2GxyMCkRzKHDAcRVjI",
    "aggregateType": "Dispute",
    "version": 3,
    "payload": {"disputeId": "dsp_02VN2GxyMCkRzKHDAcRVjI", "evidenceCount": 2, "new": True},
    "metadata": {"correlationId": "", "causationId": "", "userId": "", "marketplaceId": "m"},
}


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"added": "later"}, True),
        ({"eventType": "dispute.opened"}, False),
        ({"aggregateType": "Order"}, False),
        ({"version": 0}, False),
        ({"eventId": "17"}, False),
        ({"payload": {"evidenceCount": "2"}}, False),
        ({"metadata": {}}, False),
    ],
)
def test_schema_accepts_events_and_refuses_anything_else(
    document: dict[str, Any], change: dict[str, Any], *, is_valid: bool
) -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "components": document["components"],
        "allOf": [{"$ref": "#/components/schemas/dispute.evidence_added"}],
    }

    assert jsonschema_rs.is_valid(schema, {**EVENT, **change}) is is_valid
