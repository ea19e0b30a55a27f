"""Commands from acceptance to the chain and back, on a real database and a real devnet."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from chassis.idempotency import IdempotencyKeyReused
from kernel.errors import DomainError
from kernel.ids import to_public
from services.escrow.contracts.steps import StepName
from services.escrow.domain import (
    CommandInMotion,
    CommandKind,
    CommandState,
    EscrowAlreadyExists,
    EscrowNotFound,
    EscrowNotReady,
    EscrowState,
    EscrowStillCreating,
    PayeeRole,
    SharesMismatch,
    WalletNotFound,
)
from services.escrow.service import InvalidEscrow
from tests.integration.escrow import outsiders
from tests.integration.escrow.world import (
    AMOUNT,
    CENT,
    Order,
    World,
    command_of,
    new_escrow,
    succeeded,
    usdc,
)

UNIT = 100 * CENT


async def test_releasing_pays_the_seller_the_whole_amount(world: World) -> None:
    order = await world.funded()

    command = await world.do(CommandKind.RELEASE, order)

    assert command.escrow is not None
    assert command.escrow.state is EscrowState.RELEASED
    assert [(p.payee, p.minor_units, p.is_absorbed_fee) for p in command.payments] == [
        (PayeeRole.PROVIDER, 2_400_000, False),
        (PayeeRole.SELLER, 797_600_000, False),
        (PayeeRole.SELLER, 2_400_000, True),
    ]
    assert await world.balance(order.seller.address) == AMOUNT
    assert await world.balance(order.buyer.address) == 20 * UNIT
    assert await world.balance(command.escrow.contract_id) == 0
    assert await world.events(to_public("esc", order.escrow_id)) == [
        (1, "escrow.created"),
        (2, "escrow.funding_started"),
        (3, "escrow.funded"),
        (4, "escrow.milestone_completed"),
        (5, "escrow.released"),
    ]


async def test_events_carry_the_declared_payloads(world: World) -> None:
    order = await world.funded()
    await world.do(CommandKind.RELEASE, order)

    bodies = await world.bodies(to_public("esc", order.escrow_id))

    names = {"escrowId": to_public("esc", order.escrow_id), "orderId": to_public("ord", order.id)}
    found = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    assert bodies[0]["payload"] == {
        **names,
        "trustlessContractId": found.contract_id,
        "amount": "80.00",
    }
    assert bodies[2]["payload"].keys() == {*names, "fundedAt", "amount"}
    assert bodies[4]["payload"] | {"releasedAt": ""} == {
        **names,
        "releasedAt": "",
        "amount": "80.00",
    }
    assert {body["metadata"]["correlationId"] for body in bodies} == {"req-test"}


async def test_refund_pays_the_buyer_the_whole_amount(world: World) -> None:
    order = await world.funded()

    command = await world.do(CommandKind.REFUND, order)

    assert command.escrow is not None
    assert command.escrow.state is EscrowState.REFUNDED
    assert await world.balance(order.buyer.address) == 100 * UNIT
    assert (await world.events(to_public("esc", order.escrow_id)))[-1] == (4, "escrow.refunded")


async def test_frozen_contract_is_split_as_decided(world: World) -> None:
    order = await world.funded()
    frozen = await world.do(CommandKind.FREEZE, order)

    command = await world.do(
        CommandKind.RESOLVE, order, seller=usdc(50 * UNIT), buyer=usdc(30 * UNIT)
    )

    assert frozen.escrow is not None
    assert frozen.escrow.state is EscrowState.DISPUTED
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.RESOLVED
    assert await world.balance(order.seller.address) == 50 * UNIT
    assert await world.balance(order.buyer.address) == 50 * UNIT
    bodies = await world.bodies(to_public("esc", order.escrow_id))
    assert bodies[-1]["payload"]["releasedAmount"] == "50.00"
    assert bodies[-1]["payload"]["refundedAmount"] == "30.00"


async def test_resolve_freezes_a_contract_that_is_not_frozen_yet(world: World) -> None:
    order = await world.funded()

    await world.do(CommandKind.RESOLVE, order, seller=usdc(0), buyer=usdc(AMOUNT))

    assert await world.balance(order.buyer.address) == 100 * UNIT
    sent = await world.queries.transactions(marketplace_id=world.marketplace_id, order_id=order.id)
    assert [row.name for row in sent] == [
        StepName.DEPLOY,
        StepName.FUND,
        StepName.DISPUTE,
        StepName.RESOLVE_DISPUTE,
        StepName.MAKE_GOOD,
    ]
    assert {row.state for row in sent} == {"SUCCEEDED"}


async def test_refund_of_a_frozen_contract_does_not_dispute_it_again(world: World) -> None:
    order = await world.funded()
    await world.do(CommandKind.FREEZE, order)

    await world.do(CommandKind.REFUND, order)

    sent = await world.queries.transactions(marketplace_id=world.marketplace_id, order_id=order.id)
    assert [row.name for row in sent].count(StepName.DISPUTE) == 1
    assert await world.balance(order.buyer.address) == 100 * UNIT


async def test_platform_fee_is_charged_on_a_release(world: World) -> None:
    order = await world.funded(platform_fee_bps=1000)

    command = await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == 72 * UNIT
    fees = [p.minor_units for p in command.payments if p.payee is PayeeRole.PLATFORM]
    assert fees == [8 * UNIT]


async def test_platform_fee_is_not_charged_on_a_refund(world: World) -> None:
    order = await world.funded(platform_fee_bps=1000)

    await world.do(CommandKind.REFUND, order)

    assert await world.balance(order.buyer.address) == 100 * UNIT


async def test_unabsorbed_provider_fee_is_borne_by_the_recipient(world: World) -> None:
    order = await world.funded()
    contracts = replace(world.escrows.contracts, are_fees_absorbed=False)
    service = replace(world.escrows, contracts=contracts)

    answer = await service.release(world.asked(CommandKind.RELEASE), order_id=order.id)

    command = succeeded(await world.ended(answer))
    assert [p.is_absorbed_fee for p in command.payments] == [False, False]
    assert await world.balance(order.seller.address) == 797_600_000


async def test_every_milestone_is_completed_and_approved(world: World) -> None:
    order = await world.order()
    new = replace(new_escrow(order), milestones=("Sketch", "Draft", "Final"))
    answer = await world.escrows.create(world.asked(CommandKind.CREATE), new)
    succeeded(await world.ended(answer))
    await world.do(CommandKind.FUND, order)

    await world.do(CommandKind.RELEASE, order)

    told = [name for _, name in await world.events(to_public("esc", order.escrow_id))]
    assert told.count("escrow.milestone_completed") == 3
    assert await world.balance(order.seller.address) == AMOUNT


async def test_surplus_in_a_contract_is_paid_to_the_buyer(world: World) -> None:
    order = await world.funded()
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    await outsiders.pay(world, to=escrow.contract_id, amount=1)

    command = await world.do(
        CommandKind.RESOLVE, order, seller=usdc(50 * UNIT), buyer=usdc(30 * UNIT)
    )

    assert await world.balance(escrow.contract_id) == 0
    assert await world.balance(order.seller.address) == 50 * UNIT
    assert await world.balance(order.buyer.address) >= 50 * UNIT
    outflow = sum(p.minor_units for p in command.payments if not p.is_absorbed_fee)
    assert outflow == AMOUNT + 1


async def test_funding_waits_until_the_contract_is_deployed(world: World) -> None:
    order = await world.order()
    created = await world.escrows.create(world.asked(CommandKind.CREATE), new_escrow(order))
    funding = world.asked(CommandKind.FUND)

    with pytest.raises(EscrowStillCreating) as refusal:
        await world.escrows.fund(funding, order_id=order.id)
    succeeded(await world.ended(created))
    answer = await world.escrows.fund(funding, order_id=order.id)

    assert refusal.value.reason == "ESCROW_NOT_READY"
    assert not answer.replayed
    succeeded(await world.ended(answer))


async def test_one_of_a_concurrent_release_and_refund_is_accepted(world: World) -> None:
    order = await world.funded()

    answers = await asyncio.gather(
        world.escrows.release(world.asked(CommandKind.RELEASE), order_id=order.id),
        world.escrows.refund(world.asked(CommandKind.REFUND), order_id=order.id),
        return_exceptions=True,
    )

    refusals = [a for a in answers if isinstance(a, BaseException)]
    [accepted] = [a for a in answers if not isinstance(a, BaseException)]
    assert [type(r) for r in refusals] == [CommandInMotion]
    succeeded(await world.ended(accepted))
    held = [await world.balance(who.address) for who in (order.buyer, order.seller)]
    assert sum(held) == 100 * UNIT


async def test_repeated_command_returns_the_same_bytes(world: World) -> None:
    order = await world.funded()
    asked = world.asked(CommandKind.RELEASE)

    first = await world.escrows.release(asked, order_id=order.id)
    await world.ended(first)
    again = await world.escrows.release(asked, order_id=order.id)

    assert (again.body, again.replayed) == (first.body, True)
    assert await world.balance(order.seller.address) == AMOUNT


async def test_a_command_id_with_other_fields_is_refused(world: World) -> None:
    order = await world.funded()
    asked = world.asked(CommandKind.FREEZE)
    await world.escrows.freeze(asked, order_id=order.id)

    other = replace(asked, key=replace(asked.key, fingerprint=b"other"))

    with pytest.raises(IdempotencyKeyReused):
        await world.escrows.freeze(other, order_id=uuid.uuid4())


async def test_repeat_after_the_stored_answer_expired_returns_the_current_command(
    world: World,
) -> None:
    order = await world.funded()
    asked = world.asked(CommandKind.RELEASE)
    await world.ended(await world.escrows.release(asked, order_id=order.id))

    forgotten = replace(asked, key=replace(asked.key, key=str(uuid.uuid4())))
    answer = await world.escrows.release(forgotten, order_id=order.id)

    assert command_of(answer) == asked.command_id
    assert await world.balance(order.seller.address) == AMOUNT


async def test_funding_without_enough_money_fails_and_can_be_retried(world: World) -> None:
    order = await world.order(funds="10.00")
    await world.created(order)

    answer = await world.escrows.fund(world.asked(CommandKind.FUND), order_id=order.id)
    refused = await world.ended(answer)

    assert refused.state is CommandState.FAILED
    assert refused.error_reason == "CHAIN_REFUSED"
    assert refused.escrow is not None
    assert refused.escrow.state is EscrowState.FAILED
    await world.pay_in(order.buyer, "70.00")
    await world.created(order)
    await world.do(CommandKind.FUND, order)
    assert [name for _, name in await world.events(to_public("esc", order.escrow_id))] == [
        "escrow.created",
        "escrow.funding_started",
        "escrow.failed",
        "escrow.created",
        "escrow.funding_started",
        "escrow.funded",
    ]


@pytest.mark.parametrize(
    ("kind", "refusal"),
    [
        (CommandKind.RELEASE, EscrowNotReady),
        (CommandKind.REFUND, EscrowNotReady),
        (CommandKind.FREEZE, EscrowNotReady),
    ],
)
async def test_command_that_the_state_does_not_allow_is_refused(
    world: World, kind: CommandKind, refusal: type[DomainError]
) -> None:
    order = await world.order()
    await world.created(order)

    with pytest.raises(refusal):
        await world.do(kind, order)


async def test_a_second_escrow_of_an_order_is_refused(world: World) -> None:
    order = await world.order()
    await world.created(order)
    second = replace(order, escrow_id=uuid.uuid4())

    with pytest.raises(EscrowAlreadyExists):
        await world.created(second)
    with pytest.raises(EscrowAlreadyExists):
        await world.created(order)


async def test_unknown_ids_are_not_found(world: World) -> None:
    order = await world.order()
    stranger = replace(order.buyer, user_id=uuid.uuid4())

    with pytest.raises(EscrowNotFound):
        await world.do(CommandKind.RELEASE, order)
    with pytest.raises(WalletNotFound):
        await world.created(replace(order, buyer=stranger))


async def test_another_marketplaces_escrow_is_not_found(world: World) -> None:
    order = await world.funded()
    other = World(house=world.house, devnet=world.devnet)

    with pytest.raises(EscrowNotFound):
        await other.do(CommandKind.RELEASE, order)


async def test_buyer_and_seller_must_differ(world: World) -> None:
    order = await world.order()

    with pytest.raises(InvalidEscrow):
        await world.created(replace(order, seller=order.buyer))


@pytest.mark.parametrize(
    ("seller", "buyer"),
    [(AMOUNT, CENT), (AMOUNT - 1, 1), (AMOUNT + CENT, -CENT), (0, 0)],
)
async def test_shares_that_do_not_add_up_to_the_amount_are_refused(
    world: World, funded_order: Order, seller: int, buyer: int
) -> None:
    with pytest.raises(SharesMismatch):
        await world.do(CommandKind.RESOLVE, funded_order, seller=usdc(seller), buyer=usdc(buyer))


@pytest.fixture(scope="module")
async def funded_order(world: World) -> Order:
    """A funded order; the tests that share it must not move its money."""
    return await world.funded()


async def test_concurrent_wallet_requests_for_one_user_create_one_wallet(world: World) -> None:
    world.bind()
    user, wallets = uuid.uuid4(), world.house.wallets()

    answers = await asyncio.gather(
        *(
            wallets.create(
                key=world.key(f"{user}:{number}"),
                user_id=user,
                user_public_id="usr_twice",
                wait_seconds=20,
            )
            for number in range(4)
        )
    )

    assert len({answer.body for answer in answers}) == 1
    found = await world.queries.wallet(marketplace_id=world.marketplace_id, user_id=user)
    told = await world.bodies(to_public("wal", found.id))
    assert [(event["eventType"], event["version"]) for event in told] == [("wallet.created", 1)]
    assert told[0]["payload"] == {
        "walletId": to_public("wal", found.id),
        "userId": "usr_twice",
        "address": found.address,
    }
