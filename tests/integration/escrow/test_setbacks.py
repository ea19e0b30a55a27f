"""Commands wait and continue in spite of third parties, lagging nodes and full networks."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from services.escrow.commands.acceptance import Request
from services.escrow.contracts.intents import FundEscrow, ReleaseFunds
from services.escrow.contracts.steps import StepName
from services.escrow.domain import (
    Command,
    CommandEnded,
    CommandKind,
    CommandNotFound,
    CommandState,
    EscrowNotFound,
    EscrowState,
    WalletNotFound,
)
from services.escrow.ports import ChainRefused, EnvelopeRefused
from services.escrow.sending.endings import rest_seconds
from tests.integration.escrow import outsiders
from tests.integration.escrow.strangers import Stranger, inside
from tests.integration.escrow.test_faults import attempts_of, is_quarantined
from tests.integration.escrow.world import AMOUNT, World, new_escrow, succeeded, usdc
from tests.lines import actions

RUNNING = CommandState.RUNNING


@pytest.fixture(scope="module")
async def stranger(world: World) -> Stranger:
    """A third party that sends dust, amounts of one minor unit."""
    made = Stranger(world.devnet.info)
    await made.come(amount="1.00")
    return made


def function_of(world: World, envelope_xdr: str) -> str:
    """Return the contract function that an envelope calls."""
    passphrase = world.house.settings.stellar_network_passphrase
    envelope = inside(envelope_xdr, passphrase)
    function = getattr(envelope.transaction.operations[0], "host_function", None)
    call = getattr(function, "invoke_contract", None)
    return "" if call is None else str(call.function_name.sc_symbol.decode())


@asynccontextmanager
async def replaced(owner: Any, name: str, by: Callable[..., Awaitable[Any]]) -> AsyncIterator[None]:
    """Put something else in the place of a method."""
    real = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, real)


async def resting(world: World, command_id: Any) -> Command:
    """Wait until a command rests, and return it."""
    await world.until_resting(command_id)
    return await world.until(command_id, lambda command: bool(command.error_reason))


async def requeued(world: World, asked: Request | uuid.UUID) -> Command:
    """Requeue a command as an operator does."""
    command_id = asked.command_id if isinstance(asked, Request) else asked
    return await world.house.attention().requeue(
        marketplace_id=world.marketplace_id, command_id=command_id
    )


async def told_of(world: World, asked: Request) -> list[str]:
    """Return the actions of the audit trail on a command."""
    name = str(asked.command_id)
    return await actions(world.house.database, world.marketplace_id, target_id=name)


async def concern(world: World, asked: Request) -> tuple[str, str, str] | None:
    """Return state, step and reason of a command as an operator sees it; None: no concern."""
    listed = await world.house.attention().concerns(marketplace_id=world.marketplace_id)
    found = [c for c in listed.commands if c.id == asked.command_id]
    return (found[0].state, found[0].step, found[0].reason) if found else None


@pytest.mark.parametrize("before", [[CommandKind.FREEZE], []])
async def test_dust_sent_during_a_payout_only_delays_it(
    world: World, stranger: Stranger, before: Sequence[CommandKind]
) -> None:
    order = await world.funded()
    for kind in before:
        await world.do(kind, order)
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    real, given = world.house.chain.submit, 0

    async def after_dust(envelope_xdr: str) -> Any:
        nonlocal given
        if function_of(world, envelope_xdr) == "resolve_dispute" and given < 4:
            given += 1
            await stranger.give_contract(escrow.contract_id, minor_units=1)
        return await real(envelope_xdr)

    async with replaced(world.house.chain, "submit", after_dust):
        asked = world.asked(CommandKind.RESOLVE)
        await world.escrows.resolve(asked, order_id=order.id, seller=usdc(AMOUNT), buyer=usdc(0))
        waiting = await resting(world, asked.command_id)
        assert (waiting.state, waiting.error_reason) == (RUNNING, "CHAIN_FAILED")
        await world.wake(asked.command_id)
        await resting(world, asked.command_id)
        await world.wake(asked.command_id)
        command = succeeded(await world.ended(asked))

    assert await world.balance(escrow.contract_id) == 0
    assert await world.balance(order.seller.address) == AMOUNT
    assert (command.error_reason, command.waits) == ("", 0)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (CommandKind.RELEASE, "change_milestone_status"),
        (CommandKind.RELEASE, "release_funds"),
        (CommandKind.FREEZE, "dispute_escrow"),
        (CommandKind.REFUND, "dispute_escrow"),
        (CommandKind.REFUND, "resolve_dispute"),
    ],
)
async def test_payout_that_fails_repeatedly_on_the_ledger_waits_and_continues(
    world: World, kind: CommandKind, function: str
) -> None:
    order = await world.funded()
    await world.fault(kind="fail_at_apply", function=function, count=4)
    use_case = getattr(world.escrows, kind.value.lower())
    asked = world.asked(kind)
    await use_case(asked, order_id=order.id)

    first = await resting(world, asked.command_id)
    await world.wake(asked.command_id)
    second = await world.until(asked.command_id, lambda command: command.waits > 1)
    await world.wake(asked.command_id)
    succeeded(await world.ended(asked))

    assert (first.state, first.step, first.waits) == (RUNNING, function, 1)
    assert (second.state, second.error_reason) == (RUNNING, "CHAIN_FAILED")
    sent = await attempts_of(world, order, StepName(function))
    assert [row.state for row in sent] == ["FAILED"] * 4 + ["SUCCEEDED"]


async def test_release_continues_after_a_lagging_node_has_refused_it(world: World) -> None:
    order = await world.funded()
    real, refused = world.house.builder.build, 0

    async def lagging(intent: Any, **kept: Any) -> Any:
        nonlocal refused
        if isinstance(intent, ReleaseFunds) and refused < 8:
            refused += 1
            raise ChainRefused("HostError: Error(Contract, #5)", at_ledger=10**9)
        return await real(intent, **kept)

    async with replaced(world.house.builder, "build", lagging):
        asked = world.asked(CommandKind.RELEASE)
        await world.escrows.release(asked, order_id=order.id)
        waiting = await resting(world, asked.command_id)
        assert (waiting.state, waiting.error_reason) == (RUNNING, "CHAIN_REFUSED")
        succeeded(await world.ended(asked))

    assert refused == 8
    assert await world.balance(order.seller.address) == AMOUNT


async def test_refusal_at_a_stale_ledger_does_not_fail_the_command(world: World) -> None:
    order = await world.order()
    await world.created(order)
    behind = (await world.house.chain.latest_ledger()).sequence
    real, refused = world.house.builder.build, 0

    async def lagging(intent: Any, **kept: Any) -> Any:
        nonlocal refused
        if isinstance(intent, FundEscrow) and refused < 10:
            refused += 1
            raise ChainRefused("the buyer has nothing", at_ledger=behind - 1)
        return await real(intent, **kept)

    async with replaced(world.house.builder, "build", lagging):
        await world.do(CommandKind.FUND, order)

    assert refused == 10


async def test_refusal_confirmed_by_newer_ledgers_fails_the_command(world: World) -> None:
    order = await world.order(funds="1.00")
    await world.created(order)

    answer = await world.escrows.fund(world.asked(CommandKind.FUND), order_id=order.id)
    command = await world.ended(answer)

    assert (command.state, command.error_reason) == (CommandState.FAILED, "CHAIN_REFUSED")
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.FAILED


async def test_command_waits_while_network_fees_exceed_the_maximum(world: World) -> None:
    order = await world.funded()
    options = world.house.chain._options  # type: ignore[attr-defined] # what may be spent
    asked, before = world.asked(CommandKind.RELEASE), options.max_fee
    object.__setattr__(options, "max_fee", 1000)
    try:
        await world.escrows.release(asked, order_id=order.id)
        waiting = await resting(world, asked.command_id)
    finally:
        object.__setattr__(options, "max_fee", before)

    assert (waiting.state, waiting.error_reason) == (RUNNING, "CHAIN_FEES_TOO_HIGH")
    await world.wake(asked.command_id)
    succeeded(await world.ended(asked))


async def test_command_refused_for_a_missing_object_is_accepted_once_it_exists(
    world: World,
) -> None:
    order = await world.order()
    late = replace(new_escrow(order), seller_user_id=uuid.uuid4())
    create, fund = world.asked(CommandKind.CREATE), world.asked(CommandKind.FUND)
    credit = world.asked(CommandKind.CREDIT_WALLET)
    wallets = world.house.wallets()
    with pytest.raises(WalletNotFound):
        await world.escrows.create(create, late)
    with pytest.raises(WalletNotFound):
        await wallets.credit(credit, user_id=late.seller_user_id, amount=usdc(1))
    with pytest.raises(EscrowNotFound):
        await world.escrows.fund(fund, order_id=order.id)

    await world.wallet(user_id=late.seller_user_id)

    succeeded(await world.ended(await world.escrows.create(create, late)))
    answer = await wallets.credit(credit, user_id=late.seller_user_id, amount=usdc(1))
    succeeded(await world.ended(answer))
    succeeded(await world.ended(await world.escrows.fund(fund, order_id=order.id)))


async def test_quarantined_command_continues_after_requeue(world: World) -> None:
    order = await world.funded()
    real, is_foreign = world.house.builder.build, True

    async def of_a_stranger(intent: Any, **kept: Any) -> Any:
        if is_foreign and isinstance(intent, ReleaseFunds):
            raise EnvelopeRefused("not what was asked for")
        return await real(intent, **kept)

    async with replaced(world.house.builder, "build", of_a_stranger):
        asked = world.asked(CommandKind.RELEASE)
        await world.escrows.release(asked, order_id=order.id)
        await world.until(asked.command_id, is_quarantined)
        assert await concern(world, asked) == ("QUARANTINED", "release_funds", "QUARANTINED")
        again = await requeued(world, asked)
        assert again.state is RUNNING
        # The cause remains, so the command is quarantined again without effect.
        await world.until(asked.command_id, is_quarantined)
        is_foreign = False
        await requeued(world, asked)
        succeeded(await world.ended(asked))

    assert await world.balance(order.seller.address) == AMOUNT
    assert await concern(world, asked) is None


async def test_ended_and_unknown_commands_cannot_be_requeued(world: World) -> None:
    order = await world.order()
    command = await world.created(order)

    with pytest.raises(CommandEnded):
        await requeued(world, command.id)
    with pytest.raises(CommandNotFound):
        await requeued(world, uuid.uuid4())


async def test_requeue_ends_a_commands_rest_early(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="fail_at_apply", function="dispute_escrow", count=3)
    asked = world.asked(CommandKind.FREEZE)
    await world.escrows.freeze(asked, order_id=order.id)
    await resting(world, asked.command_id)
    assert await concern(world, asked) == ("RUNNING", "dispute_escrow", "CHAIN_FAILED")

    await requeued(world, asked)

    succeeded(await world.ended(asked))


async def test_another_marketplace_can_neither_see_nor_requeue_a_command(world: World) -> None:
    order = await world.funded()
    await outsiders.dispute(world, order)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    await world.until(asked.command_id, is_quarantined)
    attention, other = world.house.attention(), uuid.uuid4()

    assert (await attention.concerns(marketplace_id=other)).commands == []
    with pytest.raises(CommandNotFound):
        await attention.requeue(marketplace_id=other, command_id=asked.command_id)


def test_pauses_of_a_waiting_command_double_up_to_a_minute() -> None:
    assert [rest_seconds(waits) for waits in (0, 1, 2, 4, 5, 10**6)] == [2, 4, 8, 32, 60, 60]


@pytest.mark.parametrize("mode", ["code", "contract", "all"])
@pytest.mark.parametrize("function", ["change_milestone_status", "release_funds"])
async def test_archived_entries_are_restored_by_the_call_that_reads_them(
    world: World, mode: str, function: str
) -> None:
    order = await world.funded()
    await world.fault(kind="archived", mode=mode, function=function)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT


async def test_a_deployment_restores_the_factory_and_its_code(world: World) -> None:
    order = await world.order()
    await world.fault(kind="archived", mode="all", function="tw_new_single_release_escrow")

    await world.created(order)


async def test_command_waits_until_an_archived_contract_is_restored(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="archived", mode="preamble", function="release_funds")
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)

    waiting = await resting(world, asked.command_id)

    assert (waiting.state, waiting.error_reason) == (RUNNING, "CONTRACT_ARCHIVED")
    await world.wake(asked.command_id)
    succeeded(await world.ended(asked))
