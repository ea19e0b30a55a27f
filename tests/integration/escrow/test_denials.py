"""A node denies transactions that have landed: each step lands once, and no other waits."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.escrow.commands.acceptance import Request
from services.escrow.contracts.steps import StepName
from services.escrow.domain import Command, CommandKind, CommandState
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_faults import attempts_of, is_quarantined
from tests.integration.escrow.test_setbacks import replaced, requeued, told_of
from tests.integration.escrow.world import (
    AMOUNT,
    WAIT_SECONDS,
    Order,
    World,
    new_escrow,
    succeeded,
    usdc,
)

pytestmark = pytest.mark.slow

DEPLOY = "tw_new_single_release_escrow"
ALWAYS = 1_000_000
OTHERS = 5
CREDIT = 7 * 10_000_000


@pytest.fixture(scope="module")
async def denied(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house of two channel accounts whose transactions may land for a second only."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(
        make_database(), devnet, folder, transaction_seconds=1, channel_accounts=2
    ) as made:
        yield made


async def others_work(world: World) -> None:
    """Create wallets on every channel account, and check that each needs one envelope only."""
    wallets = [await world.wallet() for _ in range(OTHERS)]
    statement = (
        "select count(*) from attempts a join steps s on s.id = a.step_id"
        " join commands c on c.id = s.command_id where c.wallet_id = any(%(ids)s)"
    )
    async with world.house.database.transaction() as tx:
        sent = await tx.fetchval(statement, {"ids": [w.id for w in wallets]})
    assert sent == OTHERS


async def landed(world: World, command_id: uuid.UUID) -> list[tuple[str, str]]:
    """Read the step's name and the state of every envelope of a command."""
    statement = (
        "select s.name, a.state from attempts a join steps s on s.id = a.step_id"
        " where s.command_id = %(id)s order by s.position, a.number"
    )
    async with world.house.database.transaction() as tx:
        return [tuple(row) for row in await tx.fetch(statement, {"id": command_id})]


async def begun(world: World, kind: CommandKind, order: Order) -> Request:
    """Ask for a command of any kind on an order or its seller's wallet."""
    asked = world.asked(kind)
    if kind is CommandKind.CREATE:
        await world.escrows.create(asked, new_escrow(order))
    elif kind is CommandKind.CREDIT_WALLET:
        await world.house.wallets().credit(asked, user_id=order.seller.user_id, amount=usdc(CREDIT))
    else:
        await getattr(world.escrows, kind.value.lower())(asked, order_id=order.id)
    return asked


async def ready(world: World, kind: CommandKind) -> Order:
    """Make an order that is ready for a command."""
    if kind in {CommandKind.CREATE, CommandKind.CREDIT_WALLET}:
        return await world.order()
    if kind is CommandKind.FUND:
        order = await world.order()
        await world.created(order)
        return order
    return await world.funded()


async def held(world: World, order: Order) -> tuple[int, int]:
    """Return the balances of the buyer's and seller's wallets, in minor units."""
    return await world.balance(order.buyer.address), await world.balance(order.seller.address)


BUYER = 100 * 10_000_000


@pytest.mark.parametrize(
    ("kind", "function", "after"),
    [
        (CommandKind.FUND, "fund_escrow", (BUYER - AMOUNT, 0)),
        (CommandKind.RELEASE, "release_funds", (BUYER - AMOUNT, AMOUNT)),
        (CommandKind.RELEASE, "transfer", (BUYER - AMOUNT, AMOUNT)),
        (CommandKind.REFUND, "resolve_dispute", (BUYER, 0)),
        (CommandKind.REFUND, "transfer", (BUYER, 0)),
        (CommandKind.CREDIT_WALLET, "transfer", (BUYER, CREDIT)),
    ],
)
async def test_money_moves_once_although_the_node_denies_it_and_the_command_is_requeued(
    denied: World, kind: CommandKind, function: str, after: tuple[int, int]
) -> None:
    order = await ready(denied, kind)
    await denied.fault(kind="not_found", function=function, count=ALWAYS)
    asked = await begun(denied, kind, order)
    await denied.until(asked.command_id, is_quarantined)

    await others_work(denied)
    await requeued(denied, asked)
    await denied.until(asked.command_id, is_quarantined)
    await others_work(denied)
    await denied.clear_faults()
    await requeued(denied, asked)
    succeeded(await denied.ended(asked))

    sent = await landed(denied, asked.command_id)
    assert len({name for name, _ in sent}) == len(sent)
    assert {state for _, state in sent} == {"SUCCEEDED"}
    assert await held(denied, order) == after
    assert await told_of(denied, asked) == ["command.requeue"] * 2
    await others_work(denied)


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (CommandKind.CREATE, DEPLOY),
        (CommandKind.RELEASE, "change_milestone_status"),
        (CommandKind.RELEASE, "approve_milestone"),
        (CommandKind.FREEZE, "dispute_escrow"),
    ],
)
async def test_denied_call_that_moves_no_money_is_proved_by_its_effect(
    denied: World, kind: CommandKind, function: str
) -> None:
    order = await ready(denied, kind)
    await denied.fault(kind="not_found", function=function, count=ALWAYS)
    asked = await begun(denied, kind, order)

    await others_work(denied)
    succeeded(await denied.ended(asked))
    await denied.clear_faults()

    sent = await landed(denied, asked.command_id)
    assert len({name for name, _ in sent}) == len(sent)
    await others_work(denied)


async def test_wallet_is_created_once_although_the_node_denies_the_landing(denied: World) -> None:
    await denied.fault(kind="not_found", function="create_account", count=ALWAYS)
    wallet = await denied.wallet()
    await denied.clear_faults()

    await denied.pay_in(wallet, "1.00")
    await others_work(denied)


@pytest.mark.parametrize("kind", [CommandKind.FUND, CommandKind.CREDIT_WALLET])
async def test_denied_landing_and_stale_sequence_numbers_do_not_pay_twice(
    denied: World, kind: CommandKind
) -> None:
    order = await ready(denied, kind)
    before = await held(denied, order)
    is_fund = kind is CommandKind.FUND
    function, name = ("fund_escrow", "fund_escrow") if is_fund else ("transfer", "payment")
    await denied.fault(kind="not_found", function=function, count=ALWAYS)
    asked = await begun(denied, kind, order)
    async with asyncio.timeout(WAIT_SECONDS):
        while await held(denied, order) == before:  # noqa: ASYNC110 - the chain cannot notify
            await asyncio.sleep(0.02)
    await denied.fault(kind="stale_sequence", count=ALWAYS)
    # The first envelope is taken for expired, because its sequence number seems unused.
    async with asyncio.timeout(WAIT_SECONDS):
        while (name, "EXPIRED") not in await landed(denied, asked.command_id):  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.02)
    once = await held(denied, order)
    await denied.clear_faults()

    def needs_a_look_or_has_ended(command: Command) -> bool:
        return is_quarantined(command) or command.state is CommandState.SUCCEEDED

    if is_quarantined(await denied.until(asked.command_id, needs_a_look_or_has_ended)):
        await requeued(denied, asked)
    succeeded(await denied.ended(asked))

    states = [state for _, state in await landed(denied, asked.command_id)]
    assert states[0] == "SUCCEEDED"
    assert set(states[1:]) <= {"EXPIRED"}
    assert await held(denied, order) == once
    await others_work(denied)


async def test_channel_accounts_behind_the_chain_do_not_delay_commands(denied: World) -> None:
    await others_work(denied)
    async with denied.house.database.transaction() as tx:
        behind = "update channels set next_sequence = next_sequence - 2 where leased_by is null"
        await tx.execute(behind)

    await others_work(denied)


async def test_third_party_payment_of_the_whole_amount_quarantines_the_funding(
    denied: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="200.00")
    orders = [await ready(denied, CommandKind.FUND) for _ in range(2)]
    contracts = [
        (await denied.queries.escrow(marketplace_id=denied.marketplace_id, order_id=o.id))
        for o in orders
    ]
    await stranger.give_contract(contracts[0].contract_id, minor_units=AMOUNT - 1)
    await stranger.give_contract(contracts[1].contract_id, minor_units=AMOUNT)

    await denied.do(CommandKind.FUND, orders[0])
    asked = await begun(denied, CommandKind.FUND, orders[1])
    stopped = await denied.until(asked.command_id, is_quarantined)

    assert await held(denied, orders[0]) == (BUYER - AMOUNT, 0)
    assert "holds the amount" in stopped.error_message
    assert await held(denied, orders[1]) == (BUYER, 0)
    assert await landed(denied, asked.command_id) == []


async def test_landed_funding_without_its_effect_is_quarantined_until_the_effect_shows(
    denied: World,
) -> None:
    order = await ready(denied, CommandKind.FUND)
    real = denied.house.chain.read_escrow
    is_shown = False

    async def without_money(contract_id: str, *, account: str = "") -> Any:
        view = await real(contract_id, account=account)
        return view if is_shown or view is None else replace(view, balance=0)

    async with replaced(denied.house.chain, "read_escrow", without_money):
        asked = await begun(denied, CommandKind.FUND, order)
        await denied.until(asked.command_id, is_quarantined)
        await requeued(denied, asked)
        again = await denied.until(asked.command_id, is_quarantined)
        is_shown = True
        await requeued(denied, asked)
        succeeded(await denied.ended(asked))

    assert "does not show it" in again.error_message
    sent = await attempts_of(denied, order, StepName.FUND)
    assert [row.state for row in sent] == ["SUCCEEDED"]


async def in_use(world: World) -> Sequence[Any]:
    """Read the ids of the steps that hold a channel account."""
    async with world.house.database.transaction() as tx:
        statement = "select leased_by from channels where leased_by is not null"
        return [row[0] for row in await tx.fetch(statement)]


async def test_quarantined_step_keeps_its_channel_account_until_the_outcome_is_known(
    denied: World,
) -> None:
    order = await ready(denied, CommandKind.CREDIT_WALLET)
    await denied.fault(kind="not_found", function="transfer", count=ALWAYS)
    asked = await begun(denied, CommandKind.CREDIT_WALLET, order)
    await denied.until(asked.command_id, is_quarantined)

    kept = await in_use(denied)
    await denied.clear_faults()
    await requeued(denied, asked)
    succeeded(await denied.ended(asked))

    assert len(kept) == 1
    assert await in_use(denied) == []
