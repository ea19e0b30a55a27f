"""People at the services: each can act only on their own side of their own orders.

The identities are made as the gateway makes them from a token. test_access.py tests the RPCs that
no person may call.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from google.protobuf.descriptor import MethodDescriptor
from orchestrator.common.v1 import common_pb2 as common
from orchestrator.disputes.v1 import disputes_pb2 as disputes
from orchestrator.escrow.v1 import escrow_pb2 as escrow
from orchestrator.ledger.v1 import ledger_pb2 as ledger
from orchestrator.orders.v1 import orders_pb2 as orders
from orchestrator.webhooks.v1 import webhooks_pb2 as webhooks

from chassis.identity import ROLE_ADMIN, ROLE_USER, Identity
from gateway.auth import CALLER
from kernel.errors import DomainError, PermissionDenied
from tests.contract.builders import LINK, VALID, ident, keyed
from tests.contract.city import City
from tests.contract.descriptors import METHODS, SERVICES, label
from tests.contract.rulings import FOR_OPERATORS
from tests.contract.test_access import OPEN_TO_PEOPLE
from tests.contract.unkeyed import a_request
from tests.contract.world import CALL_SECONDS, READY, WAIT_SECONDS, World

# The RPCs with which an admin may read orders of other people.
ADMIN_READS = {"GetOrder", "GetReceipt", "GetDispute", "ListMessages", "GetOffer", "ListOffers"}
REFUSED = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An order that was disputed, decided and paid out. named: its ids, by field name."""

    world: World
    buyer: str
    seller: str
    named: Mapping[str, str]

    @property
    def order_id(self) -> str:
        """The order."""
        return self.named["order_id"]


@pytest.fixture(scope="session")
def people_world(city: City) -> World:
    """A marketplace for the tests of this module only."""
    return World(city=city, way="socket")


@pytest.fixture(scope="session")
async def past(people_world: World) -> Past:
    """Objects that an unrelated person must not read."""
    world = people_world
    order_id = await world.after(await world.an_order_at_work(), "OpenDispute")
    order = await world.call("orders", "GetOrder", orders.GetOrderRequest(order_id=order_id))
    offer_id = await world.an_offer(order_id)
    decision = keyed(
        orders.ResolveDisputeRequest,
        dispute_id=order.dispute.id,
        decision=orders.DISPUTE_DECISION_FULL_RELEASE,
        wait_seconds=WAIT_SECONDS,
    )
    await world.call("orders", "ResolveDispute", decision)
    listing = ledger.ListTransfersRequest(order_id=order_id)
    transfers = (await world.call("ledger", "ListTransfers", listing)).transfers
    command = await world.call("escrow", "CreateEscrow", await world.new_escrow())
    named = {
        "order_id": order_id,
        "dispute_id": order.dispute.id,
        "offer_id": offer_id,
        "transfer_id": transfers[0].id,
        "command_id": command.id,
        "withdrawal_id": await world.a_withdrawal(),
        "webhook_id": await world.own_webhook(),
        "event_id": await _listed_event(world),
        **dict.fromkeys(("user", "user_id", "buyer"), order.buyer.id),
    }
    return Past(world=world, buyer=order.buyer.id, seller=order.seller.id, named=named)


async def _listed_event(world: World) -> str:
    """Wait until the marketplace's list of events is not empty; returns an event's id."""
    listing = webhooks.ListEventsRequest()
    async with asyncio.timeout(WAIT_SECONDS):
        while not (found := await world.call("webhooks", "ListEvents", listing)).events:  # noqa: ASYNC110 - asks webhooks
            await asyncio.sleep(0.05)
    return str(found.events[0].event_id)


async def act(
    world: World, name: str, method: str, request: Any, *, user: str, role: str = ROLE_USER
) -> Any:
    """Call as the gateway for a person; if the gateway may not, as another allowed service."""
    served = await world.city.get(name)
    callers = served.app.binding.access[method].callers
    who = Identity(
        caller=CALLER if CALLER in callers else min(callers),
        marketplace_id=world.marketplace_id,
        principal=f"user:{user}",
        role=role,
        scopes=frozenset({"read", "write"}),
        user_id=uuid.UUID(user),
    )
    client = served.client(world.way, marketplace_id=world.marketplace_id)
    return await client.call(method, request, who=who, timeout_seconds=CALL_SECONDS)


async def refusal(call: Any) -> DomainError:
    with pytest.raises(PermissionDenied) as refused:
        await call
    return refused.value


def traces(world: World, user: str) -> int:
    """Count the stored requests and events that a person caused."""
    found = 0
    with psycopg.connect(world.city.database.url()) as connection:
        for name in SERVICES:
            for table, column in (("idempotency", "scope"), ("outbox", "outbox")):
                statement = psycopg.sql.SQL(
                    "select count(*) from {}.{} where {}::text like %s"
                ).format(*map(psycopg.sql.Identifier, (name, table, column)))
                [(count,)] = connection.execute(statement, (f"%{user}%",)).fetchall()
                found += count
    return found


def reading(name: str, method: MethodDescriptor, past: Past) -> Any:
    """Return a request that reads another person's object; a dispute by its id."""
    request = VALID[name][method.name]()
    for field in method.input_type.fields:
        is_other_way = field.containing_oneof is not None and field.name == "order_id"
        if field.name in past.named and not is_other_way:
            setattr(request, field.name, past.named[field.name])
    if "page" in method.input_type.fields_by_name:
        request.page.page_token = ""
    return request


@pytest.mark.parametrize(("name", "method"), METHODS, ids=label)
async def test_unrelated_person_cannot_read_or_change_an_order(
    past: Past, name: str, method: MethodDescriptor
) -> None:
    world = past.world
    ready = a_request(name, method.name) or FOR_OPERATORS.get((name, method.name))
    request = await ready(world) if ready is not None else reading(name, method, past)
    seen = []

    for role in (ROLE_USER, ROLE_ADMIN):
        stranger = ident()
        if role == ROLE_ADMIN and method.name in ADMIN_READS:
            await act(world, name, method.name, request, user=stranger, role=role)
            continue
        error = await refusal(act(world, name, method.name, request, user=stranger, role=role))
        seen.append(error.reason)
        assert traces(world, stranger) == 0

    is_open = method.name in OPEN_TO_PEOPLE[name]
    assert ("CALLER_NOT_ALLOWED" not in seen) == is_open, seen
    # The request was a good one, and finds everything as it was.
    await world.call(name, method.name, request)


async def test_unrelated_person_cannot_find_a_dispute_by_its_order(past: Past) -> None:
    request = disputes.GetDisputeRequest(order_id=past.order_id)

    for user, role in ((past.buyer, ROLE_USER), (past.seller, ROLE_USER), (ident(), ROLE_ADMIN)):
        case = await act(past.world, "disputes", "GetDispute", request, user=user, role=role)
        assert case.id == past.named["dispute_id"]
    error = await refusal(act(past.world, "disputes", "GetDispute", request, user=ident()))

    assert error.reason == "NOT_PARTY"


async def test_both_sides_can_read_their_order(past: Past) -> None:
    world = past.world
    order = orders.GetOrderRequest(order_id=past.order_id)
    receipt = orders.GetReceiptRequest(order_id=past.order_id)

    for user, side in ((past.buyer, common.PARTY_BUYER), (past.seller, common.PARTY_SELLER)):
        listing = orders.ListPartyOrdersRequest(user_id=user, role=side, limit=100)
        found = await act(world, "orders", "ListPartyOrders", listing, user=user)
        me = await act(world, "orders", "GetUser", orders.GetUserRequest(user=user), user=user)
        assert past.order_id in {one.id for one in found.orders}
        assert (await act(world, "orders", "GetOrder", order, user=user)).id == past.order_id
        assert (await act(world, "orders", "GetReceipt", receipt, user=user)).id
        assert me.id == user


async def test_missing_receipt_is_hidden_from_unrelated_people(past: Past) -> None:
    request = orders.GetReceiptRequest(order_id=await past.world.an_order())

    error = await refusal(act(past.world, "orders", "GetReceipt", request, user=ident()))

    assert error.reason == "NOT_PARTY"


async def test_existence_of_a_user_is_hidden_from_others(past: Past) -> None:
    own = ident()
    asked = (past.buyer, ident(), "usr_somebody")
    calls = [
        act(past.world, "orders", "GetUser", orders.GetUserRequest(user=user), user=own)
        for user in asked
    ]

    assert len({str(await refusal(call)) for call in calls}) == 1


WRONG_SIDE = [
    ("PayOrder", "seller", "NOT_PERSONAL"),
    ("CancelOrder", "seller", "NOT_PERSONAL"),
    ("ConfirmOrder", "seller", "NOT_PERSONAL"),
    ("DeliverOrder", "buyer", "NOT_BUSINESS"),
    ("ReleaseFunds", "seller", "CALLER_NOT_ALLOWED"),
    ("ReleaseFunds", "buyer", "CALLER_NOT_ALLOWED"),
    ("RefundOrder", "buyer", "CALLER_NOT_ALLOWED"),
    ("RefundOrder", "seller", "CALLER_NOT_ALLOWED"),
]


@pytest.mark.parametrize(("method", "side", "reason"), WRONG_SIDE)
async def test_each_side_can_do_only_its_own_actions(
    past: Past, method: str, side: str, reason: str
) -> None:
    world = past.world
    request = await READY["orders", method](world)
    user = getattr(past, side)
    found = orders.GetOrderRequest(order_id=request.order_id)
    before = await world.call("orders", "GetOrder", found)

    error = await refusal(act(world, "orders", method, request, user=user))

    assert error.reason == reason
    assert await world.call("orders", "GetOrder", found) == before


def a_purchase(buyer: str, seller: str, **fields: Any) -> Any:
    """Return the gateway's request to create an order for a person."""
    known = {"origin": orders.ORIGIN_PARTY, "title": "Order", "currency": "USD"}
    request = VALID["orders"]["CreateOrder"]()
    for name in ("client_order_ref", "milestones", "metadata_json", "description"):
        request.ClearField(name)
    for name, value in {**known, "buyer": buyer, "seller": seller, **fields}.items():
        setattr(request, name, value)
    return request


async def test_person_can_buy_only_for_themselves(past: Past) -> None:
    world, buyer, seller = past.world, past.buyer, past.seller
    public_id = (await world.call("orders", "GetUser", orders.GetUserRequest(user=buyer))).public_id
    refused = [
        (seller, a_purchase(buyer, seller), "NOT_PERSONAL"),
        (buyer, a_purchase(public_id, seller), "NOT_PERSONAL"),
        (buyer, a_purchase(buyer, seller, origin=orders.ORIGIN_MARKETPLACE), REFUSED),
        (buyer, a_purchase(buyer, seller, client_order_ref="cart-7"), REFUSED),
    ]

    for user, request, reason in refused:
        error = await refusal(act(world, "orders", "CreateOrder", request, user=user))
        assert error.reason == reason
    made = await act(world, "orders", "CreateOrder", a_purchase(buyer, seller), user=buyer)

    assert (made.buyer.id, made.seller.id) == (buyer, seller)
    assert made.platform_fee.minor_units > 0


async def test_two_people_can_run_an_order_and_its_dispute(past: Past) -> None:
    world, buyer, seller = past.world, past.buyer, past.seller
    made = await act(world, "orders", "CreateOrder", a_purchase(buyer, seller), user=buyer)
    on_order = {"order_id": made.id}

    async def does(user: str, method: str, **fields: Any) -> Any:
        request = VALID["orders"][method]()
        for name, value in (on_order | fields).items():
            setattr(request, name, value)
        return await act(world, "orders", method, request, user=user)

    await does(buyer, "PayOrder", wait_seconds=WAIT_SECONDS)
    await does(seller, "DeliverOrder")
    # It is the seller's dispute, whoever the request says it is for.
    opened = await does(seller, "OpenDispute", opened_by=common.PARTY_BUYER)
    for user in (buyer, seller):
        added = keyed(
            disputes.AddEvidenceRequest, dispute_id=opened.dispute.id, evidence=[f"{LINK}?{user}"]
        )
        case = await act(world, "disputes", "AddEvidence", added, user=user)

    assert opened.dispute.opened_by == common.PARTY_SELLER
    assert (case.initiated_by, case.opened_by) == (seller, common.PARTY_SELLER)
    assert list(case.evidence) == [LINK, f"{LINK}?{buyer}", f"{LINK}?{seller}"]


def as_oneself(user: str, **fields: Any) -> Any:
    """Return the gateway's request to register a person."""
    known = {"external_user_id": user, "user_id": user, "type": orders.USER_TYPE_BOTH}
    return keyed(orders.RegisterUserRequest, **{**known, **fields})


async def test_person_is_registered_as_themselves_and_gets_a_wallet(
    people_world: World,
) -> None:
    world, user, other = people_world, ident(), ident()
    refused = [
        as_oneself(user, external_user_id=other),
        as_oneself(user, user_id=other),
        as_oneself(user, user_id=""),
        as_oneself(user, public_id="usr_of_note"),
        as_oneself(user, email="somebody@example.com"),
    ]

    for request in refused:
        error = await refusal(act(world, "orders", "RegisterUser", request, user=user))
        assert error.reason == REFUSED
    made = await act(world, "orders", "RegisterUser", as_oneself(user), user=user)

    wallet = await world.call("escrow", "GetWallet", escrow.GetWalletRequest(user_id=user))
    assert made.id == user
    assert wallet.user_id == user
