"""Operators' rulings take effect only if the chain agrees, and nothing is booked twice."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.escrow.commands.acceptance import Request
from services.escrow.contracts.intents import FundEscrow
from services.escrow.contracts.steps import StepName
from services.escrow.domain import (
    Command,
    CommandEnded,
    CommandInMotion,
    CommandKind,
    CommandNotFound,
    CommandState,
    EscrowState,
)
from services.escrow.operating.rulings import (
    CommandHasPaid,
    NotThisStep,
    Ruling,
    TransactionNotFound,
)
from services.escrow.ports import EnvelopeRefused, ProviderRefused
from services.escrow.sending.work import CHAIN_AHEAD
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow import outsiders
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_denials import ALWAYS, begun, ready
from tests.integration.escrow.test_fairness import troubled_for_long
from tests.integration.escrow.test_faults import attempts_of, is_quarantined
from tests.integration.escrow.test_setbacks import replaced, requeued, resting, told_of
from tests.integration.escrow.world import AMOUNT, World, succeeded, usdc

OLGA = Ruling(by="Olga", why="looked it up in an explorer")
BUYER = 100 * 10_000_000
FAILED, QUARANTINED = CommandState.FAILED, CommandState.QUARANTINED


@pytest.fixture(scope="module")
async def ruled(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose transactions may land for a second only."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, transaction_seconds=1) as made:
        yield made


async def abandoned(world: World, asked: Request) -> Command:
    """Abandon a command, and wait until it has ended or is quarantined again."""
    await world.house.rulings().abandon(
        marketplace_id=world.marketplace_id, command_id=asked.command_id, ruling=OLGA
    )
    return await world.until(
        asked.command_id, lambda c: c.state is not CommandState.RUNNING or bool(c.waits)
    )


async def adopted(world: World, asked: Request, transaction_hash: str) -> Command:
    """Adopt a transaction for a stopped command."""
    return await world.house.rulings().adopt(
        marketplace_id=world.marketplace_id,
        command_id=asked.command_id,
        transaction_hash=transaction_hash,
        ruling=OLGA,
    )


@asynccontextmanager
async def evil_at_the_second_funding(
    world: World, refusal: Callable[[str], Exception] = EnvelopeRefused
) -> AsyncIterator[None]:
    """Let the first envelope of a funding never land, and the second be refused."""
    real, built = world.house.builder.build, 0

    async def build(intent: Any, **kept: Any) -> Any:
        nonlocal built
        if isinstance(intent, FundEscrow):
            built += 1
            if built > 1:
                raise refusal("not what was asked for")
        return await real(intent, **kept)

    await world.fault(kind="hold", function="fund_escrow")
    async with replaced(world.house.builder, "build", build):
        yield


async def test_abandoned_funding_can_never_land(ruled: World) -> None:
    order = await ready(ruled, CommandKind.FUND)
    async with evil_at_the_second_funding(ruled):
        asked = await begun(ruled, CommandKind.FUND, order)
        await ruled.until(asked.command_id, is_quarantined)
        command = await abandoned(ruled, asked)

    first, burn = await attempts_of(ruled, order, StepName.FUND)
    assert (command.state, command.error_reason) == (FAILED, "ABANDONED")
    assert "Olga" in command.error_message
    assert await told_of(ruled, asked) == ["command.abandon"]
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.FAILED
    assert (first.state, burn.state, burn.code) == ("EXPIRED", "FAILED", "BURNT")
    assert (burn.source, burn.sequence) == (first.source, first.sequence)
    # The sequence number is used, so the first envelope can never land, whatever its time limit.
    account = await ruled.house.chain.account(first.source)
    assert account is not None
    assert account.sequence >= first.sequence
    assert await ruled.balance(order.buyer.address) == BUYER
    await ruled.created(order)
    await ruled.do(CommandKind.FUND, order)
    assert await ruled.balance(order.buyer.address) == BUYER - AMOUNT


async def test_funding_refused_after_an_expired_envelope_burns_its_sequence_number(
    ruled: World,
) -> None:
    order = await ruled.order(funds="80.00")
    await ruled.created(order)
    real, built = ruled.house.builder.build, 0

    async def build(intent: Any, **kept: Any) -> Any:
        nonlocal built
        if isinstance(intent, FundEscrow):
            built += 1
            if built == 2:
                # The money leaves the wallet by another way before the second envelope is built.
                await outsiders.pay_from(ruled, order.buyer, to=order.seller.address, amount=1)
        return await real(intent, **kept)

    await ruled.fault(kind="hold", function="fund_escrow")
    async with replaced(ruled.house.builder, "build", build):
        asked = await begun(ruled, CommandKind.FUND, order)
        command = await ruled.ended(asked)

    states = [(row.state, row.code) for row in await attempts_of(ruled, order, StepName.FUND)]
    assert (command.state, command.error_reason) == (FAILED, "CHAIN_REFUSED")
    assert states == [("EXPIRED", ""), ("FAILED", "BURNT")]


@pytest.mark.slow
async def test_funding_with_an_expired_envelope_is_not_refused_after_long_trouble(
    ruled: World,
) -> None:
    order = await ready(ruled, CommandKind.FUND)
    async with evil_at_the_second_funding(ruled, ProviderRefused):
        asked = await begun(ruled, CommandKind.FUND, order)
        await troubled_for_long(ruled, asked)
        command = await ruled.until(asked.command_id, lambda c: bool(c.waits))
    states = [row.state for row in await attempts_of(ruled, order, StepName.FUND)]
    await ruled.wake(asked.command_id)

    assert (command.state, command.error_reason) == (CommandState.RUNNING, "PROVIDER_REFUSED")
    assert states == ["EXPIRED"]
    succeeded(await ruled.ended(asked))


@pytest.mark.parametrize("kind", [CommandKind.FUND, CommandKind.CREDIT_WALLET])
async def test_landed_transaction_is_not_abandoned(ruled: World, kind: CommandKind) -> None:
    order = await ready(ruled, kind)
    function = "fund_escrow" if kind is CommandKind.FUND else "transfer"
    await ruled.fault(kind="not_found", function=function, count=ALWAYS)
    asked = await begun(ruled, kind, order)
    await ruled.until(asked.command_id, is_quarantined)

    denied = await abandoned(ruled, asked)
    await ruled.clear_faults()
    await ruled.house.rulings().abandon(
        marketplace_id=ruled.marketplace_id, command_id=asked.command_id, ruling=OLGA
    )

    assert denied.state is QUARANTINED
    succeeded(await ruled.ended(asked))


async def test_release_of_a_contract_frozen_by_a_third_party_is_abandoned_and_resolved(
    ruled: World,
) -> None:
    order = await ruled.funded()
    await outsiders.dispute(ruled, order)
    asked = await begun(ruled, CommandKind.RELEASE, order)
    await ruled.until(asked.command_id, is_quarantined)

    command = await abandoned(ruled, asked)

    assert (command.state, command.error_reason) == (FAILED, "ABANDONED")
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.DISPUTED
    await ruled.do(CommandKind.RESOLVE, order, seller=usdc(0), buyer=usdc(AMOUNT))
    assert await ruled.balance(order.buyer.address) == BUYER


async def test_release_that_always_fails_is_abandoned_and_refunded(ruled: World) -> None:
    order = await ruled.funded()
    await ruled.fault(kind="fail_at_apply", function="release_funds", count=ALWAYS)
    asked = await begun(ruled, CommandKind.RELEASE, order)
    await resting(ruled, asked.command_id)

    await abandoned(ruled, asked)
    command = await ruled.ended(asked)
    await ruled.clear_faults()

    assert (command.state, command.error_reason) == (FAILED, "ABANDONED")
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.FUNDED
    await ruled.do(CommandKind.REFUND, order)
    assert await ruled.balance(order.buyer.address) == BUYER


async def test_funding_of_a_contract_paid_by_a_third_party_can_be_abandoned(
    ruled: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="80.00")
    order = await ready(ruled, CommandKind.FUND)
    escrow = await ruled.queries.escrow(marketplace_id=ruled.marketplace_id, order_id=order.id)
    await stranger.give_contract(escrow.contract_id, minor_units=AMOUNT)
    asked = await begun(ruled, CommandKind.FUND, order)
    await ruled.until(asked.command_id, is_quarantined)

    command = await abandoned(ruled, asked)

    assert (command.state, command.error_reason) == (FAILED, "ABANDONED")
    assert await ruled.balance(order.buyer.address) == BUYER


async def test_funding_paid_by_the_buyers_wallet_is_adopted_and_not_abandoned(ruled: World) -> None:
    order = await ready(ruled, CommandKind.FUND)
    landed = await outsiders.fund_by_channel(ruled, order)
    asked = await begun(ruled, CommandKind.FUND, order)
    await ruled.until(asked.command_id, is_quarantined)

    denied = await abandoned(ruled, asked)
    await adopted(ruled, asked, landed)

    assert (denied.state, denied.error_message.endswith("own wallet")) == (QUARANTINED, True)
    succeeded(await ruled.ended(asked))


async def test_payout_caused_by_a_third_party_is_not_abandoned(ruled: World) -> None:
    order = await ruled.funded()
    await outsiders.release(ruled, order)
    asked = await begun(ruled, CommandKind.RELEASE, order)
    await ruled.until(asked.command_id, is_quarantined)

    denied = await abandoned(ruled, asked)

    assert (denied.state, "has paid out" in denied.error_message) == (QUARANTINED, True)


async def test_nothing_is_abandoned_during_a_chain_hold(
    ruled: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="80.00")
    order = await ready(ruled, CommandKind.FUND)
    escrow = await ruled.queries.escrow(marketplace_id=ruled.marketplace_id, order_id=order.id)
    await stranger.give_contract(escrow.contract_id, minor_units=AMOUNT)
    asked = await begun(ruled, CommandKind.FUND, order)
    await ruled.until(asked.command_id, is_quarantined)
    async with ruled.house.database.transaction() as tx:
        await ruled.house.landings.open_hold(tx, why="something is missing")

    waiting = await abandoned(ruled, asked)
    await ruled.house.rulings().confirm(OLGA)
    command = await ruled.ended(asked)

    assert (waiting.state, waiting.error_reason) == (CommandState.RUNNING, CHAIN_AHEAD)
    assert (command.state, command.error_reason) == (FAILED, "ABANDONED")


async def test_lagging_node_is_no_proof_of_a_contracts_state(ruled: World) -> None:
    order = await ruled.funded()
    await outsiders.dispute(ruled, order)
    asked = await begun(ruled, CommandKind.RELEASE, order)
    await ruled.until(asked.command_id, is_quarantined)
    real = ruled.house.chain.read_escrow

    async def before(contract_id: str, *, account: str = "") -> Any:
        view = await real(contract_id, account=account)
        return None if view is None else replace(view, disputed=False, read_at_ledger=1)

    async with replaced(ruled.house.chain, "read_escrow", before):
        waiting = await abandoned(ruled, asked)
    command = await ruled.ended(asked)

    assert waiting.state is CommandState.RUNNING
    assert command.escrow is not None
    assert (command.state, command.escrow.state) == (FAILED, EscrowState.DISPUTED)


async def test_landed_transaction_is_adopted_by_its_hash(ruled: World) -> None:
    order = await ready(ruled, CommandKind.FUND)
    other = await ready(ruled, CommandKind.FUND)
    await ruled.do(CommandKind.FUND, other)
    [foreign] = await attempts_of(ruled, other, StepName.FUND)
    third = await ready(ruled, CommandKind.FUND)
    another = await outsiders.fund_by_channel(ruled, third)
    # The funding landed from one of our channel accounts, but no stored envelope matches it.
    landed = await outsiders.fund_by_channel(ruled, order)
    asked = await begun(ruled, CommandKind.FUND, order)
    stopped = await ruled.until(asked.command_id, is_quarantined)

    for not_its_own in (foreign.hash, another):
        with pytest.raises(NotThisStep):
            await adopted(ruled, asked, not_its_own)
    with pytest.raises(TransactionNotFound):
        await adopted(ruled, asked, "ab" * 32)
    await adopted(ruled, asked, landed)
    command = succeeded(await ruled.ended(asked))

    assert "holds the amount" in stopped.error_message
    assert [paid.transaction_hash for paid in command.payments] == [landed]
    assert await told_of(ruled, asked) == ["command.adopt"]
    assert await ruled.balance(order.buyer.address) == BUYER - AMOUNT


async def test_third_party_transaction_cannot_be_adopted(
    ruled: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="100.00")
    order = await ready(ruled, CommandKind.FUND)
    escrow = await ruled.queries.escrow(marketplace_id=ruled.marketplace_id, order_id=order.id)
    given = await stranger.give_contract(escrow.contract_id, minor_units=AMOUNT)
    asked = await begun(ruled, CommandKind.FUND, order)
    await ruled.until(asked.command_id, is_quarantined)

    with pytest.raises(NotThisStep):
        await adopted(ruled, asked, given)


async def test_landed_transaction_without_its_effect_is_adopted_only_by_its_own_hash(
    ruled: World,
) -> None:
    order = await ready(ruled, CommandKind.FUND)
    real = ruled.house.chain.read_escrow

    async def without_money(contract_id: str, *, account: str = "") -> Any:
        view = await real(contract_id, account=account)
        return None if view is None else replace(view, balance=0)

    async with replaced(ruled.house.chain, "read_escrow", without_money):
        asked = await begun(ruled, CommandKind.FUND, order)
        await ruled.until(asked.command_id, is_quarantined)
        [sent] = await attempts_of(ruled, order, StepName.FUND)
        with pytest.raises(NotThisStep):
            await adopted(ruled, asked, "cd" * 32)
        with pytest.raises(CommandHasPaid):
            await abandoned(ruled, asked)
        await adopted(ruled, asked, sent.bump_hash)
        succeeded(await ruled.ended(asked))


async def test_only_stopped_commands_can_be_ruled_on(ruled: World) -> None:
    order = await ruled.order()
    await ruled.pause_worker()
    running_one = await begun(ruled, CommandKind.CREATE, order)
    with pytest.raises(CommandInMotion):
        await abandoned(ruled, running_one)
    await ruled.resume_worker()
    succeeded(await ruled.ended(running_one))
    with pytest.raises(CommandEnded):
        await abandoned(ruled, running_one)
    with pytest.raises(CommandNotFound):
        await abandoned(ruled, replace(running_one, command_id=uuid.uuid4()))


async def test_another_marketplace_cannot_rule_on_a_command(ruled: World) -> None:
    order = await ruled.funded()
    await outsiders.dispute(ruled, order)
    asked = await begun(ruled, CommandKind.RELEASE, order)
    await ruled.until(asked.command_id, is_quarantined)
    rulings, other = ruled.house.rulings(), uuid.uuid4()

    with pytest.raises(CommandNotFound):
        await rulings.abandon(marketplace_id=other, command_id=asked.command_id, ruling=OLGA)
    with pytest.raises(CommandNotFound):
        await rulings.adopt(
            marketplace_id=other,
            command_id=asked.command_id,
            transaction_hash="ab" * 32,
            ruling=OLGA,
        )
    await requeued(ruled, asked)
    await ruled.until(asked.command_id, is_quarantined)
