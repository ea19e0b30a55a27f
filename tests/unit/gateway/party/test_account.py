"""Which events of the stream a person gets, and which parts of them."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, cast

import pytest
from orchestrator.orders.v1 import orders_pb2

from gateway import parties
from gateway.backends import Backends
from gateway.parties import Parties
from gateway.party.account import Concern
from kernel.errors import Unavailable
from kernel.ids import to_public

from .messages import ORDER, an_order

MARKETPLACE = uuid.UUID(int=7)
ABOUT_IT = {"aggregateType": "Order", "aggregateId": to_public("ord", ORDER)}


class Orders:
    """Returns every order to every caller, as orders does for an admin. is_away: unavailable."""

    def __init__(self) -> None:
        self.orders = self
        self.asked = 0
        self.is_away = False
        self.parties = Parties(cast("Backends", self))

    GetOrder = None

    async def call(self, _method: Any, _request: Any) -> orders_pb2.Order:
        self.asked += 1
        if self.is_away:
            raise Unavailable("away")
        return an_order()


def concern(orders: Orders, public_id: str) -> Concern:
    return Concern(orders.parties, MARKETPLACE, public_id=public_id)


@pytest.mark.parametrize(
    ("who", "is_told"), [("usr_personal", True), ("usr_business", True), ("usr_admin", False)]
)
async def test_an_admin_gets_events_of_their_own_orders_only(who: str, *, is_told: bool) -> None:
    assert await concern(Orders(), who)(ABOUT_IT) is is_told


async def test_an_order_is_asked_about_once_for_all_streams(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parties, "KNOWN_MAX", 1)
    orders = Orders()
    own = concern(orders, "usr_personal")
    streams = [own, concern(orders, "usr_business"), concern(orders, "usr_stranger")]

    told = await asyncio.gather(*(one(ABOUT_IT) for one in streams * 3))

    assert told == [True, True, False] * 3
    assert orders.asked == 1

    other = {**ABOUT_IT, "aggregateId": to_public("ord", ORDER).replace("0", "1", 1)}
    await own(other)
    await own(ABOUT_IT)
    assert orders.asked == 3


async def test_event_payload_does_not_decide_who_sees_the_orders_events() -> None:
    orders = Orders()
    forged = ABOUT_IT | {
        "eventType": "order.created",
        "payload": {"buyerId": "usr_stranger", "sellerId": "usr_stranger"},
    }

    assert not await concern(orders, "usr_stranger")(forged)
    assert not await concern(orders, "usr_stranger")(ABOUT_IT)
    assert await concern(orders, "usr_personal")(ABOUT_IT)
    assert orders.asked == 1


@pytest.mark.parametrize("value", [None, 7, True, [], {}, ["usr_personal"], {"usr_personal": 1}])
async def test_stream_survives_any_value_in_an_event(value: Any) -> None:
    own = concern(Orders(), "usr_personal")
    for kind in ("Balance", "Wallet", "Order", "Escrow"):
        payload = {"userId": value, "buyerId": value, "sellerId": value, "orderId": value}
        event = told("order.created", payload) | {"aggregateType": kind, "aggregateId": "x"}

        assert await own(event) is False
        assert own.shown(event)["payload"] == payload


async def test_visibility_of_an_event_is_unknown_while_orders_is_unavailable() -> None:
    orders = Orders()
    orders.is_away = True

    with pytest.raises(Unavailable):
        await concern(orders, "usr_personal")(ABOUT_IT)


@pytest.mark.parametrize("order_id", ["", "None", "ord_", "somebody's"])
async def test_event_without_a_valid_order_id_is_sent_to_no_stream(order_id: str) -> None:
    orders = Orders()

    event = {"aggregateType": "Escrow", "aggregateId": "esc_1", "payload": {"orderId": order_id}}

    assert await concern(orders, "usr_personal")(event) is False
    assert orders.asked == 0


def told(event_type: str, payload: Mapping[str, Any], **metadata: str) -> dict[str, Any]:
    """Return an event as it is published."""
    known = {"correlationId": "r", "causationId": "", "marketplaceId": "m"} | metadata
    return {"eventType": event_type, "payload": payload, "metadata": known}


HELD = told(
    "order.funds_reserved",
    {"orderId": "ord_1", "amount": "150.00", "buyerId": "usr_personal", "reservedBalance": "9.00"},
    userId="usr_personal",
)


def test_only_the_buyer_sees_the_reserved_balance() -> None:
    buyer, seller = (concern(Orders(), who) for who in ("usr_personal", "usr_business"))

    assert buyer.shown(HELD) is HELD
    assert "reservedBalance" in HELD["payload"]
    payload = {k: v for k, v in HELD["payload"].items() if k != "reservedBalance"}
    assert seller.shown(HELD) == HELD | {"payload": payload}


def test_users_own_balance_event_is_sent_unchanged() -> None:
    payload = {"userId": "usr_business", "amount": "1.00", "reservedBalance": "9.00"}
    event = told("balance.reserved", payload)

    assert concern(Orders(), "usr_business").shown(event) is event


@pytest.mark.parametrize("who", ["usr_personal", "usr_business"])
@pytest.mark.parametrize(
    ("event_type", "payload"),
    [
        ("dispute.resolved", {"disputeId": "dsp_1", "resolvedBy": "key:key_abc"}),
        ("dispute.under_review", {"disputeId": "dsp_1", "reviewedBy": "agent_7"}),
    ],
)
def test_people_of_the_marketplace_are_named_support_in_events(
    who: str, event_type: str, payload: dict[str, str]
) -> None:
    event = told(event_type, payload, userId="key:key_abc")

    shown = concern(Orders(), who).shown(event)

    (name,) = set(payload) - {"disputeId"}
    assert shown["payload"] == {"disputeId": "dsp_1", name: "SUPPORT"}
    assert shown["metadata"] == event["metadata"] | {"userId": ""}
    assert event["payload"] == payload
