"""Deposits that escrow reports: booked once, to the user or to suspense, also over a real NATS."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import orjson
import pytest
from orchestrator.ledger.v1 import ledger_pb2

from chassis.bus import Bus, Message, publish_all
from chassis.consumer import Delivery
from chassis.signature import HEADER, EventSigner, EventVerifier
from kernel.clock import SystemClock, to_milliseconds_text
from kernel.ids import new_id, to_public
from services.ledger.deposits.consumer import SUBJECT, handle
from services.ledger.deposits.domain import ACCOUNT_PATIENCE, DepositNotBooked
from services.ledger.deposits.wire import NotADeposit
from tests.integration.ledger.conftest import House
from tests.integration.ledger.test_requests import balance, opened
from tests.patience import PATIENCE_SECONDS
from tests.serving import ESCROW_EVENT_KEYS, EVENT_SIGNING_KEY, Client

WAIT_SECONDS = PATIENCE_SECONDS
ESCROW = EventVerifier(ESCROW_EVENT_KEYS)


def told(
    marketplace: uuid.UUID,
    user: str = "",
    *,
    age: dt.timedelta = dt.timedelta(),
    **changes: Any,
) -> dict[str, Any]:
    """An escrow.deposit_confirmed event of 25.00, as escrow's outbox writes it."""
    payload = {
        "depositId": str(uuid.uuid4()),
        "userUuid": user.removeprefix("user:"),
        "userId": "usr_whoever" if user else "",
        "address": "GABC",
        "asset": "USDC",
        "amount": "25.0000000",
        "minorUnits": "250000000",
        "transactionHash": "ab" * 32,
        "ledger": "1234",
        "fromAddress": "GDEF",
        "memo": "",
    }
    return {
        "eventId": to_public("evt", new_id()),
        "eventType": "escrow.deposit_confirmed",
        "occurredAt": to_milliseconds_text(SystemClock().now() - age),
        "aggregateId": "esc_1",
        "aggregateType": "Escrow",
        "version": 1,
        "payload": payload | changes,
        "metadata": {"correlationId": "c-1", "marketplaceId": str(marketplace)},
    }


def signed(event: dict[str, Any]) -> Delivery:
    """The event as delivered, with escrow's signature."""
    body = orjson.dumps(event)
    signature = EventSigner(EVENT_SIGNING_KEY).sign(SUBJECT, body)
    return Delivery(subject=SUBJECT, headers={HEADER: signature}, body=body, sequence=1)


async def deliver(house: House, event: dict[str, Any]) -> None:
    await handle(house.deposits, ESCROW, signed(event))


def open_account(house: House, user: uuid.UUID) -> None:
    house.rows(
        "insert into ledger.accounts (marketplace_id, asset, name, public_id, opened_at)"
        " values (%s, 'USDC', %s, %s, now())",
        house.marketplace,
        f"user:{user}",
        f"usr_{user.hex}",
    )


def suspense(house: House) -> int:
    [(total,)] = house.rows(
        "select coalesce(sum(available_change), 0) from ledger.entries"
        " where marketplace_id = %s and account = 'suspense'",
        house.marketplace,
    )
    return int(total)


async def test_a_deposit_delivered_thrice_is_credited_once(house: House) -> None:
    ann = await house.user()
    event = told(house.marketplace, ann)

    for _ in range(3):
        await deliver(house, event)

    assert (await house.balance(ann)).available == 250_000_000


async def test_a_deposit_with_a_memo_is_credited_to_the_owner_of_the_wallet(house: House) -> None:
    ann = await house.user()

    await deliver(house, told(house.marketplace, ann, memo="7"))

    assert (await house.balance(ann)).available == 250_000_000
    assert suspense(house) == 0


async def test_a_deposit_in_two_events_is_credited_once(house: House) -> None:
    ann = await house.user()
    event = told(house.marketplace, ann)

    await deliver(house, event)
    await deliver(house, event | {"eventId": to_public("evt", new_id())})

    assert (await house.balance(ann)).available == 250_000_000


async def test_a_deposit_delivered_to_two_replicas_is_credited_once(house: House) -> None:
    ann = await house.user()
    other = await house.replica()
    delivery = signed(told(house.marketplace, ann))

    await asyncio.gather(
        *(handle(deposits, ESCROW, delivery) for deposits in (house.deposits, other.deposits) * 3),
        return_exceptions=True,
    )

    assert (await house.balance(ann)).available == 250_000_000


async def test_a_deposit_without_a_user_goes_to_suspense(house: House) -> None:
    await deliver(house, told(house.marketplace))

    assert suspense(house) == 250_000_000


async def test_a_deposit_waits_for_its_account_and_is_credited_when_it_is_open(
    house: House,
) -> None:
    user = uuid.uuid4()
    event = told(house.marketplace, f"user:{user}")
    with pytest.raises(DepositNotBooked):
        await deliver(house, event)
    open_account(house, user)

    await deliver(house, event)

    assert (await house.balance(f"user:{user}")).available == 250_000_000
    assert suspense(house) == 0


async def test_a_deposit_whose_account_never_opens_ends_in_suspense(house: House) -> None:
    age = ACCOUNT_PATIENCE + dt.timedelta(seconds=1)

    await deliver(house, told(house.marketplace, f"user:{uuid.uuid4()}", age=age))

    assert suspense(house) == 250_000_000


async def test_a_deposit_in_suspense_stays_there_when_it_is_delivered_again(house: House) -> None:
    user = uuid.uuid4()
    event = told(house.marketplace, f"user:{user}", age=ACCOUNT_PATIENCE * 2)
    await deliver(house, event)
    open_account(house, user)

    await deliver(house, event)

    assert suspense(house) == 250_000_000
    assert (await house.balance(f"user:{user}")).available == 0


async def test_a_deposit_that_contradicts_the_booked_one_is_not_dropped(house: House) -> None:
    ann = await house.user()
    event = told(house.marketplace, ann)
    await deliver(house, event)
    payload = event["payload"] | {"minorUnits": "1"}
    other = event | {"eventId": to_public("evt", new_id()), "payload": payload}

    with pytest.raises(DepositNotBooked, match="TRANSFER_DIFFERS"):
        await deliver(house, other)

    assert (await house.balance(ann)).available == 250_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"depositId": "no id"},
        {"minorUnits": "0"},
        {"minorUnits": "-5"},
        {"minorUnits": "1.5"},
        {"asset": ""},
        {"userUuid": "somebody"},
        {"ledger": "many"},
    ],
)
async def test_a_malformed_deposit_is_refused_and_not_booked(
    house: House, changes: dict[str, Any]
) -> None:
    with pytest.raises(NotADeposit):
        await deliver(house, told(house.marketplace, **changes))

    assert suspense(house) == 0


async def test_a_deposit_from_the_bus_is_credited_and_published(
    ledger: Client, nats_url: str
) -> None:
    user = await opened(ledger, public_id=f"usr_{uuid.uuid4().hex}")
    bus = Bus(url=nats_url, name="test")
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    client = await bus.client()

    async def hear(message: Any) -> None:
        event = orjson.loads(message.data)
        if event["metadata"]["marketplaceId"] == str(ledger.marketplace_id):
            await heard.put(event)

    await client.subscribe("balance.*", cb=hear)
    await client.flush()
    event = told(ledger.marketplace_id, user)
    message = Message(
        subject=event["eventType"],
        message_id=event["eventId"],
        headers=signed(event).headers,
        body=signed(event).body,
    )

    assert await publish_all(await bus.stream(), [message]) == [True]

    async with asyncio.timeout(WAIT_SECONDS):
        credited = await heard.get()
    await bus.close()
    assert credited["eventType"] == "balance.credited"
    assert (credited["aggregateType"], credited["version"]) == ("Balance", 1)
    assert credited["payload"]["source"] == "stellar_deposit"
    assert credited["payload"]["newBalance"] == "25.00"
    assert credited["payload"]["transactionHash"] == "ab" * 32
    assert credited["metadata"]["correlationId"] == "c-1"
    assert await balance(ledger, user) == (250_000_000, 0)
    found = await ledger.call("ListAccounts", ledger_pb2.ListAccountsRequest(), caller="operator")
    assert [(one.account, one.balance) for one in found.accounts] == [
        ("external:stellar", -250_000_000)
    ]
