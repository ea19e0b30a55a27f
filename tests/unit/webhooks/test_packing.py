"""Packed events: few bytes, and read as they were."""

import datetime as dt
import hashlib
import json
import uuid
from typing import Any

import pytest

from services.webhooks.packing import Said, packed, unpacked

MARKETPLACE = uuid.UUID("01a21f97-c5bf-7009-8f16-495792e65171")
SAID = Said(
    marketplace_id=MARKETPLACE,
    event_id="evt_0LvAwBqXHbh1hA12n696yT",
    event_type="escrow.created",
    occurred_at=dt.datetime(2026, 11, 28, 0, 41, 44, 46_000, tzinfo=dt.UTC),
    aggregate_type="Escrow",
    aggregate_id="esc_6RCr6CczeBE4MeZpXrjp6u",
)
EVENT: dict[str, Any] = {
    "eventId": SAID.event_id,
    "eventType": SAID.event_type,
    "occurredAt": "2026-11-28T00:41:44.046Z",
    "aggregateId": SAID.aggregate_id,
    "aggregateType": SAID.aggregate_type,
    "version": 1,
    "payload": {
        "escrowId": SAID.aggregate_id,
        "orderId": "ord_03558qSucVrqhefyYGaN5p",
        "trustlessContractId": "CDGLXZOXFAQHOJUXZHJO2MH56YLHS6UTPRBVF7TU6DDQAEERLDYN5JYS",
        "amount": "1.00",
    },
    "metadata": {
        "correlationId": "01a21f99-cfa2-7465-9577-d26228278d0e",
        "causationId": "bff1b1a7-e6e9-5df6-ba18-73a8f3f6e453",
        "userId": "",
        "marketplaceId": str(MARKETPLACE),
    },
}
BODY = json.dumps(EVENT, separators=(",", ":")).encode()


def test_a_packed_event_is_a_third_of_its_bytes() -> None:
    assert len(packed(BODY, SAID)) < len(BODY) / 3


@pytest.mark.parametrize("body", [BODY, b"{}", json.dumps(EVENT).encode(), "Grüße ✓".encode()])
def test_an_event_is_read_as_it_was(body: bytes) -> None:
    assert unpacked(packed(body, SAID), SAID).encode() == body


def test_an_event_that_was_packed_long_ago_is_read() -> None:
    assert unpacked(bytes.fromhex(PACKED), SAID).encode() == BODY
    # Each part of the dictionary may be what some event refers to.
    assert hashlib.sha256(SAID.dictionary()).hexdigest() == DICTIONARY


# If this is not read any more, nor is what is in the tables.
DICTIONARY = "372bd469600437e42957fd02dafd87ebbdcd94c224c94bfe893b87cbecb6a183"
PACKED = (
    "ddd34b0a83301485e1150534f1dea4434bd42056eb13e32c6a82c35ae8a0bb6f876d45281d7603070e7cffdf"
    "9cfd70b9bbfb6ed0630062ad6f53775d17ebee3a31395cf651cb24eb87a28fc3521569db0f2a2de84901ea4c"
    "d5d836e7ead8c5bc6951ca328ca22a933a8754d79bc4bfa53f3943090f10c8d3282733454a05e562f6eca68a"
    "d1397ff40d2716ed81c0ec908cc6178433231c73680360afe5fc5ec803"
)
