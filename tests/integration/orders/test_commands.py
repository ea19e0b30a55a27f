"""An order's life on a real database: each command, its refusals, its repeats, its races."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer, IdempotencyKeyInProgress, IdempotencyKeyReused
from kernel.errors import DomainError, Unavailable
from kernel.ids import new_id
from services.orders.operations.commands import Request
from services.orders.operations.postings import InsufficientFunds
from services.orders.order.domain import (
    AmountDiffersFromOrder,
    DisputeReason,
    EscrowAlreadyExists,
    OrderInWrongState,
    OrderNotFound,
    Party,
    State,
)
from services.orders.order.use_cases import Kind
from services.orders.peers.ports import ProviderError
from tests.integration.orders.conftest import EIGHTY, Shop, oid, open_shop, order_of, outcomes
from tests.patience import PATIENCE_SECONDS

NINE = [
    "order.created",
    "order.funds_reserved",
    "order.escrow_creating",
    "order.escrow_funding",
    "order.escrow_funded",
    "order.in_progress",
    "order.release_requested",
    "order.released",
    "order.closed",
]


async def test_a_whole_purchase_has_nine_events(shop: Shop) -> None:
    order = await shop.running_order()

    answer = await shop.service.release_funds(shop.ask(), order_id=oid(order), by=Party.BUYER)

    closed = order_of(answer)
    assert await shop.events(order) == [(name, n) for n, name in enumerate(NINE, start=1)]
    assert (await shop.read(order)).state is State.CLOSED
    assert closed.released_amount.minor_units == EIGHTY
    assert shop.peers.ledger.available[f"user:{order.seller.id}"] == EIGHTY
    assert shop.peers.ledger.available[f"user:{order.buyer.id}"] == 200_000_000


# Longer than any test: who waits so long is answered because the service stops.
FOR_EVER = 3600


async def test_a_caller_that_waits_while_the_service_stops_gets_the_current_order(
    shop: Shop,
) -> None:
    order = await shop.reserved_order()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    shop.peers.escrow.gate.clear()
    first = asyncio.create_task(
        shop.service.fund_escrow(shop.ask("first", wait=FOR_EVER), order_id=oid(order))
    )
    await shop.until(order, State.ESCROW_FUNDING)

    await shop.saga.stop_waiting()
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await first
        (running,) = shop.saga._runs
        await shop.saga.for_end(running.id, seconds=FOR_EVER)

    assert order_of(answer).state == orders_pb2.ORDER_STATE_ESCROW_FUNDING
    assert order_of(answer).HasField("operation")
    assert (await shop.read(order)).state is State.ESCROW_FUNDING
    shop.peers.escrow.gate.set()


async def test_reserving_too_much_answers_the_available_balance(shop: Shop) -> None:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    order = await shop.order()
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = EIGHTY - 100_000

    with pytest.raises(InsufficientFunds) as refusal:
        await shop.service.reserve_funds(shop.ask("k"), order_id=oid(order))
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = EIGHTY
    with pytest.raises(DomainError) as again:
        await shop.service.reserve_funds(shop.ask("k"), order_id=oid(order))
    answer = await shop.service.reserve_funds(shop.ask(), order_id=oid(order))

    assert refusal.value.details == {
        "available": "79.99",
        "requested": "80.00",
        "currency": "USDC",
    }
    assert again.value.replayed
    assert again.value.details == refusal.value.details
    assert order_of(answer).reserved_at.seconds > 0


Asked = Callable[[Shop, Request, uuid.UUID], Awaitable[Answer]]
_DISPUTE = {"reason": DisputeReason.OTHER, "description": "", "evidence": (), "user_id": None}
# Every command on an order that may name its amount: how it is made ready, and asked for.
COMMANDS: dict[str, tuple[Callable[[Shop], Awaitable[orders_pb2.Order]], Asked]] = {
    "reserve": (Shop.rich_order, lambda s, r, o: s.service.reserve_funds(r, order_id=o)),
    "escrow": (Shop.reserved_order, lambda s, r, o: s.service.create_escrow(r, order_id=o)),
    "fund": (Shop.deployed_order, lambda s, r, o: s.service.fund_escrow(r, order_id=o)),
    "cancel": (
        Shop.reserved_order,
        lambda s, r, o: s.service.cancel(r, order_id=o, by=Party.BUYER, reason="", user_id=None),
    ),
    "release": (
        Shop.running_order,
        lambda s, r, o: s.service.release_funds(r, order_id=o, by=Party.BUYER),
    ),
    "refund": (
        Shop.running_order,
        lambda s, r, o: s.service.refund(r, order_id=o, by=Party.BUYER, reason=""),
    ),
    "dispute": (
        Shop.running_order,
        lambda s, r, o: s.service.open_dispute(r, order_id=o, by=Party.BUYER, **_DISPUTE),  # type: ignore[arg-type] # by name
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_names_another_amount_changes_nothing(shop: Shop, name: str) -> None:
    ready, ask = COMMANDS[name]
    order = await ready(shop)
    before, calls = await shop.read(order), shop.peers.ledger.calls

    with pytest.raises(AmountDiffersFromOrder):
        await ask(shop, shop.ask(amount=EIGHTY - 1), oid(order))

    assert (await shop.read(order)).version == before.version
    assert shop.peers.ledger.calls == calls
    assert (await ask(shop, shop.ask(amount=EIGHTY), oid(order))).body


async def test_the_statement_shows_the_reason_of_a_release(shop: Shop) -> None:
    order = await shop.running_order()

    await shop.service.release_funds(
        shop.ask(by="SELLER", reason="Work accepted"), order_id=oid(order), by=Party.SELLER
    )

    paid = [t for t in shop.peers.ledger.transfers.values() if t.code == "RELEASE"]
    assert {t.reason for t in paid if t.debit == f"escrow:{order.id}"} == {"Work accepted"}


async def test_a_repeated_command_gives_the_same_bytes_even_after_the_order_moved(
    shop: Shop,
) -> None:
    order = await shop.rich_order()
    first = await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))
    await shop.service.cancel(
        shop.ask(), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
    )

    again = await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))

    assert again.body == first.body
    assert again.replayed
    assert not first.replayed


async def test_a_key_reused_for_another_request_is_refused(shop: Shop) -> None:
    order = await shop.rich_order()
    await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))

    with pytest.raises(IdempotencyKeyReused):
        await shop.service.create_escrow(shop.ask("r", fingerprint=b"other"), order_id=oid(order))


async def test_an_unknown_order_is_not_found(shop: Shop) -> None:
    with pytest.raises(OrderNotFound):
        await shop.service.reserve_funds(shop.ask(), order_id=new_id())


async def test_another_marketplaces_order_is_not_found(shop: Shop) -> None:
    order = await shop.rich_order()
    request = shop.ask()
    shop.marketplace_id = new_id()

    with pytest.raises(OrderNotFound):
        await shop.service.reserve_funds(shop.ask(), order_id=oid(order))

    assert request.marketplace_id != shop.marketplace_id


async def test_three_reserves_at_once_hold_the_money_once(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    order = await one.rich_order()

    answers, refusals = await outcomes(
        *(shop.service.reserve_funds(shop.ask(), order_id=oid(order)) for shop in (one, two, one))
    )

    assert len(answers) == 1
    assert [type(refusal) for refusal in refusals] == [OrderInWrongState] * 2
    assert refusals[0].details["currentState"] == "FUNDS_RESERVED"
    assert one.peers.ledger.reserved(f"user:{order.buyer.id}") == EIGHTY


async def test_cancelling_a_reserved_order_gives_the_money_back(shop: Shop) -> None:
    order = await shop.reserved_order()

    answer = await shop.service.cancel(
        shop.ask(), order_id=oid(order), by=Party.BUYER, reason="Changed my mind", user_id=None
    )

    events = await shop.events(order)
    assert order_of(answer).final_status == 3
    assert [name for name, _ in events][-2:] == ["order.canceled", "order.closed"]
    assert shop.peers.ledger.available[f"user:{order.buyer.id}"] == 1_000_000_000


async def test_cancel_and_escrow_at_once_one_wins(two_shops: tuple[Shop, Shop]) -> None:
    one, two = two_shops
    order = await one.reserved_order()

    answers, refusals = await outcomes(
        one.service.cancel(one.ask(), order_id=oid(order), by=Party.BUYER, reason="", user_id=None),
        two.service.create_escrow(two.ask(), order_id=oid(order)),
    )

    assert (len(answers), len(refusals)) == (1, 1)
    assert isinstance(refusals[0], OrderInWrongState)


async def test_release_refund_and_dispute_exclude_each_other(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    order = await one.running_order()

    answers, refusals = await outcomes(
        one.service.release_funds(one.ask(), order_id=oid(order), by=Party.BUYER),
        two.service.refund(two.ask(), order_id=oid(order), by=Party.BUYER, reason=""),
        one.service.open_dispute(
            one.ask(),
            order_id=oid(order),
            by=Party.BUYER,
            reason=DisputeReason.OTHER,
            description="",
            evidence=(),
            user_id=None,
        ),
    )

    assert len(answers) == 1
    assert len(refusals) == 2
    assert len(one.peers.escrow.commands) == 3, "create, fund, and one more"


async def test_funding_waits_for_the_contract(shop: Shop) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    created = order_of(await shop.service.create_escrow(shop.ask(), order_id=oid(order)))
    funding = asyncio.create_task(shop.service.fund_escrow(shop.ask(), order_id=oid(order)))
    await asyncio.sleep(0)

    shop.peers.escrow.gate.set()
    funded = order_of(await funding)

    assert created.escrow.status == "CREATING"
    assert created.escrow.contract_id.startswith("C")
    assert funded.escrow.status == "FUNDED"


async def test_funding_a_contract_that_takes_too_long_is_not_ready(shop: Shop) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.gate.clear()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))

    with pytest.raises(DomainError) as refusal:
        await shop.service.fund_escrow(shop.ask(wait=0), order_id=oid(order))

    shop.peers.escrow.gate.set()
    assert refusal.value.reason == "ESCROW_NOT_READY"


async def test_a_second_escrow_is_refused(shop: Shop) -> None:
    order = await shop.reserved_order()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))

    with pytest.raises(EscrowAlreadyExists):
        await shop.service.create_escrow(shop.ask(), order_id=oid(order))


async def test_a_refused_deployment_keeps_the_money_reserved_and_may_be_tried_again(
    shop: Shop,
) -> None:
    order = await shop.reserved_order()
    shop.peers.escrow.fails["create"] = "TRUSTLINE_MISSING"
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    await shop.until(order, State.FUNDS_RESERVED)
    shop.peers.escrow.fails.clear()

    again = order_of(await shop.service.create_escrow(shop.ask(), order_id=oid(order)))

    assert ("order.escrow_failed", 4) in await shop.events(order)
    assert again.escrow.status == "CREATING"
    assert shop.peers.ledger.reserved(f"user:{order.buyer.id}") == EIGHTY


async def test_a_refused_funding_is_reported_and_frees_its_key(shop: Shop) -> None:
    order = await shop.reserved_order()
    await shop.service.create_escrow(shop.ask(), order_id=oid(order))
    shop.peers.escrow.fails["fund"] = "UNDERFUNDED"

    with pytest.raises(ProviderError):
        await shop.service.fund_escrow(shop.ask("f"), order_id=oid(order))
    shop.peers.escrow.fails.clear()
    with pytest.raises(OrderInWrongState) as refusal:
        await shop.service.fund_escrow(shop.ask("f"), order_id=oid(order))

    assert refusal.value.details["currentState"] == "FUNDS_RESERVED"


async def test_an_unavailable_peer_is_reported_at_once_and_the_operation_goes_on(
    shop: Shop,
) -> None:
    order = await shop.rich_order()
    shop.peers.ledger.is_away = True

    with pytest.raises(Unavailable):
        await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))
    with pytest.raises(IdempotencyKeyInProgress):
        await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))
    shop.peers.ledger.is_away = False
    await shop.until(order, State.FUNDS_RESERVED)
    answer = await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))

    assert answer.replayed


async def test_a_caller_that_does_not_wait_gets_the_running_operation(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.gate.clear()

    answer = await shop.service.release_funds(
        shop.ask("r", wait=0), order_id=oid(order), by=Party.BUYER
    )

    moving = order_of(answer)
    assert moving.operation.kind == Kind.RELEASE.value
    shop.peers.escrow.gate.set()
    await shop.until(order, State.CLOSED)
    replay = await shop.service.release_funds(shop.ask("r"), order_id=oid(order), by=Party.BUYER)
    assert not order_of(replay).HasField("operation")


async def test_another_process_finishes_the_operation_of_a_dead_one(shop: Shop) -> None:
    order = await shop.running_order()
    shop.peers.escrow.gate.clear()
    await shop.service.release_funds(shop.ask("r", wait=0), order_id=oid(order), by=Party.BUYER)
    await shop.saga.close()
    shop.peers.escrow.gate.set()
    async with shop.database.transaction() as tx:
        await tx.execute(
            "update operations set lease_until = now() - interval '1 second'"
            " where state = 'running'"
        )

    async with open_shop(shop.url, shop.peers, shop.marketplace_id) as successor:
        await successor.until(order, State.CLOSED)
        replay = await successor.service.release_funds(
            successor.ask("r"), order_id=oid(order), by=Party.BUYER
        )

    assert replay.replayed
    assert shop.peers.ledger.available[f"user:{order.seller.id}"] == EIGHTY


async def test_paying_reserves_creates_and_funds_in_one_operation(shop: Shop) -> None:
    order = await shop.rich_order()

    answer = await shop.service.pay(shop.ask(), order_id=oid(order), user_id=None)

    assert order_of(answer).escrow.status == "FUNDED"
    assert [name for name, _ in await shop.events(order)] == NINE[:6]


async def test_paying_without_money_ends_the_operation_and_moves_nothing(shop: Shop) -> None:
    order = await shop.rich_order()
    shop.peers.ledger.available[f"user:{order.buyer.id}"] = 1

    with pytest.raises(InsufficientFunds):
        await shop.service.pay(shop.ask(), order_id=oid(order), user_id=None)

    assert (await shop.read(order)).state is State.ORDER_CREATED
    assert not shop.peers.escrow.commands
