"""The database is restored to an earlier moment, the chain is not: nothing is paid twice."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from chassis.audit import EVERYBODY
from services.escrow.app import House
from services.escrow.commands.acceptance import Request
from services.escrow.domain import CommandKind, CommandState
from services.escrow.operating.rulings import Ruling
from services.escrow.sending.landings import Hold
from services.escrow.sending.recovery import NothingHeld
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.world import (
    AMOUNT,
    WAIT_SECONDS,
    Order,
    World,
    new_escrow,
    settings,
    succeeded,
    usdc,
)
from tests.lines import actions

BUYER = 100 * 10_000_000
CREDIT = 7 * 10_000_000
OPERATOR = Ruling(by="Olga", why="compared with the explorer")


@dataclass(kw_only=True)
class Past:
    """A backup: a copy of the database, and the commands that had been accepted by then."""

    database: TestDatabase
    marketplace_id: uuid.UUID
    accepted: list[Request]
    orders: list[Order]
    credited: Order
    lost: TestDatabase


@asynccontextmanager
async def house_on(
    database: TestDatabase,
    devnet: RunningDevnet,
    folder: Path,
    *,
    marketplace_id: uuid.UUID,
    **changed: Any,
) -> AsyncIterator[World]:
    """Run a house on a database as the program does, recovery included."""
    given = settings(
        database=database, devnet=devnet, folder=str(folder), transaction_seconds=2, **changed
    )
    world = World(house=House(given), devnet=devnet, marketplace_id=marketplace_id)
    await world.house.ensure_platform()
    await world.house.bootstrap().run()
    await world.house.recovery.start()
    keeping = asyncio.ensure_future(world.house.recovery.keep())
    await world.start()
    try:
        yield world
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await world.stop()


async def accept(world: World, kind: CommandKind, order: Order) -> Request:
    """Accept a command that nobody carries out yet."""
    asked = world.asked(kind)
    if kind is CommandKind.CREATE:
        await world.escrows.create(asked, new_escrow(order))
    elif kind is CommandKind.CREDIT_WALLET:
        await world.house.wallets().credit(asked, user_id=order.seller.user_id, amount=usdc(CREDIT))
    else:
        await getattr(world.escrows, kind.value.lower())(asked, order_id=order.id)
    return asked


def signed(database: TestDatabase) -> int:
    """Count the envelopes that move money and may land."""
    with psycopg.connect(database.url()) as connection:
        row = connection.execute(
            "select count(*) from escrow.attempts a join escrow.steps s on s.id = a.step_id"
            " where a.state = 'SENT' and s.name in"
            " ('fund_escrow', 'payment', 'release_funds', 'resolve_dispute')"
        ).fetchone()
    assert row is not None
    return int(row[0])


def paid_in(database: TestDatabase, address: str) -> list[int]:
    """Return the published deposits to a wallet, in minor units."""
    with psycopg.connect(database.url()) as connection:
        rows = connection.execute(
            "select d.minor_units from escrow.deposits d"
            " join escrow.wallets w on w.id = d.wallet_id"
            " where w.address = %s order by d.ledger",
            [address],
        ).fetchall()
    return [int(row[0]) for row in rows]


def expire(database: TestDatabase) -> None:
    """Mark every sent envelope as expired."""
    with psycopg.connect(database.url()) as connection:
        connection.execute("update escrow.attempts set state = 'EXPIRED' where state = 'SENT'")


async def ready(world: World, kind: CommandKind) -> Order:
    """Make an order that is ready for a command."""
    if kind not in {CommandKind.CREATE, CommandKind.FUND}:
        return await world.funded()
    order = await world.order()
    if kind is CommandKind.FUND:
        await world.created(order)
    return order


async def hold_of(world: World) -> Hold | None:
    """Return why nothing is sent, as an operator sees it."""
    listed = await world.house.attention().concerns(marketplace_id=world.marketplace_id)
    return listed.hold


async def held(world: World, orders: list[Order]) -> list[tuple[int, int]]:
    """Return the balances of the buyers' and sellers' wallets on chain, in minor units."""
    return [
        (await world.balance(o.buyer.address), await world.balance(o.seller.address))
        for o in orders
    ]


@pytest.fixture
async def past(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[tuple[Past, Path]]:
    """Back up after a funding, a release, a refund and a credit have been accepted."""
    database, marketplace_id = make_database(), uuid.uuid4()
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        funding = await world.order()
        await world.created(funding)
        release, refund, credited = [await world.funded() for _ in range(3)]
        await world.pause_worker()
        kinds = [
            (CommandKind.FUND, funding),
            (CommandKind.RELEASE, release),
            (CommandKind.REFUND, refund),
            (CommandKind.CREDIT_WALLET, credited),
        ]
        accepted = [await accept(world, kind, order) for kind, order in kinds]
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    made = Past(
        database=copy,
        marketplace_id=marketplace_id,
        accepted=accepted,
        orders=[funding, release, refund, credited],
        credited=credited,
        lost=database,
    )
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for asked in accepted:
            succeeded(await world.ended(asked))
    yield made, tmp_path
    copy.drop()
    database.drop()


async def test_landed_step_is_claimed_although_later_commands_have_changed_the_contract(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    database, marketplace_id = make_database(), uuid.uuid4()
    ways = [
        (CommandKind.CREATE, [CommandKind.FUND, CommandKind.RELEASE]),
        (CommandKind.FUND, [CommandKind.RELEASE]),
        (CommandKind.FUND, [CommandKind.FREEZE]),
        (CommandKind.FREEZE, [CommandKind.REFUND]),
        (CommandKind.FUND, [CommandKind.REFUND]),
    ]
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        orders = [await ready(world, kind) for kind, _ in ways]
        await world.pause_worker()
        accepted = [
            await accept(world, kind, order) for (kind, _), order in zip(ways, orders, strict=True)
        ]
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for asked, order, (_, later) in zip(accepted, orders, ways, strict=True):
            succeeded(await world.ended(asked))
            for kind in later:
                succeeded(await world.ended(await accept(world, kind, order)))
        money = await held(world, orders)

    async with house_on(copy, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for asked, order, (_, later) in zip(accepted, orders, ways, strict=True):
            succeeded(await world.ended(asked))
            # Clients repeat the commands that the restored database has forgotten.
            for kind in later:
                succeeded(await world.ended(await accept(world, kind, order)))

        assert await held(world, orders) == money
        hold = await hold_of(world)
        assert hold is not None
        assert hold.unclaimed == []
    copy.drop()
    database.drop()


async def test_payout_of_a_forgotten_escrow_is_not_a_deposit(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    database, marketplace_id = make_database(), uuid.uuid4()
    life = [CommandKind.CREATE, CommandKind.FUND, CommandKind.RELEASE]
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        order = await world.order()
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for kind in life:
            succeeded(await world.ended(await accept(world, kind, order)))

    async with house_on(copy, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        await world.pay_in(order.seller, "1.00")
        async with asyncio.timeout(WAIT_SECONDS):
            while not (seen := paid_in(copy, order.seller.address)):  # noqa: ASYNC110 - no bell
                await asyncio.sleep(0.02)
        for kind in life:
            succeeded(await world.ended(await accept(world, kind, order)))

        assert seen == paid_in(copy, order.seller.address) == [10_000_000]
        assert await world.balance(order.seller.address) == AMOUNT + 10_000_000
    copy.drop()
    database.drop()


@pytest.mark.parametrize("state", ["SENT", "EXPIRED"])
@pytest.mark.parametrize(
    ("functions", "is_held"),
    [
        # A payout is followed by reimbursements, whose sequence numbers the backup does not know.
        ({CommandKind.RELEASE: "release_funds", CommandKind.REFUND: "resolve_dispute"}, True),
        ({CommandKind.FUND: "fund_escrow", CommandKind.CREDIT_WALLET: "transfer"}, False),
    ],
    ids=["payouts", "payments"],
)
async def test_envelope_signed_after_the_backup_with_a_known_number_is_found_in_ledgers(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path: Path,
    *,
    functions: Mapping[CommandKind, str],
    is_held: bool,
    state: str,
) -> None:
    database, marketplace_id = make_database(), uuid.uuid4()
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        orders = [await ready(world, kind) for kind in functions]
        for function in functions.values():
            await world.fault(kind="hold", function=function, count=1_000_000)
        accepted = [await accept(world, *one) for one in zip(functions, orders, strict=True)]
        async with asyncio.timeout(WAIT_SECONDS):
            while signed(database) < len(functions):  # noqa: ASYNC110 - no bell
                await asyncio.sleep(0.02)
        await world.pause_worker()
        await world.clear_faults()
    copy = TestDatabase(f"{database.name}_restored", database.server)
    database.server.execute("create database {} template {}", copy.name, database.name)
    # The signed envelopes expire, so the next envelopes get the same sequence numbers.
    expire(database)
    async with house_on(database, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for asked in accepted:
            succeeded(await world.ended(asked))
        money = await held(world, orders)
    if state == "EXPIRED":
        expire(copy)

    async with house_on(copy, devnet, tmp_path, marketplace_id=marketplace_id) as world:
        for asked in accepted:
            succeeded(await world.ended(asked))

        assert (await hold_of(world) is not None) is is_held
        assert await held(world, orders) == money
    copy.drop()
    database.drop()


async def lost_credit(before: Past, devnet: RunningDevnet, folder: Path) -> str:
    """Accept and pay a credit after the backup; returns its transaction hash."""
    async with house_on(before.lost, devnet, folder, marketplace_id=before.marketplace_id) as world:
        asked = await accept(world, CommandKind.CREDIT_WALLET, before.credited)
        command = succeeded(await world.ended(asked))
        return command.payments[0].transaction_hash


async def test_transactions_landed_since_the_backup_are_claimed_and_not_repeated(
    past: tuple[Past, Path], devnet: RunningDevnet
) -> None:
    before, folder = past
    async with house_on(
        before.database, devnet, folder, marketplace_id=before.marketplace_id
    ) as world:
        for asked in before.accepted:
            succeeded(await world.ended(asked))
        hold = await hold_of(world)
        assert hold is not None
        assert "forgotten" in hold.why
        assert hold.unclaimed == []
        late = await accept(world, CommandKind.CREDIT_WALLET, before.credited)
        await world.until_resting(late.command_id)

        waiting = await world.until(late.command_id, lambda command: bool(command.waits))
        await world.house.rulings().confirm(OPERATOR)
        succeeded(await world.ended(late))

        assert (waiting.state, waiting.error_reason) == (CommandState.RUNNING, "CHAIN_AHEAD")
        assert await hold_of(world) is None
        with pytest.raises(NothingHeld):
            await world.house.rulings().confirm(OPERATOR)
        assert await held(world, before.orders) == [
            (BUYER - AMOUNT, 0),
            (BUYER - AMOUNT, AMOUNT),
            (BUYER, 0),
            (BUYER - AMOUNT, 2 * CREDIT),
        ]
        await world.funded()


async def test_unclaimed_transaction_holds_the_chain_until_an_operator_confirms(
    past: tuple[Past, Path], devnet: RunningDevnet
) -> None:
    before, folder = past
    lost = await lost_credit(before, devnet, folder)
    async with house_on(
        before.database, devnet, folder, marketplace_id=before.marketplace_id
    ) as world:
        for asked in before.accepted:
            succeeded(await world.ended(asked))
        async with asyncio.timeout(WAIT_SECONDS):
            while not (hold := await hold_of(world)) or not hold.unclaimed:  # noqa: ASYNC110 - no bell
                await asyncio.sleep(0.02)

        assert [found.hash for found in hold.unclaimed] == [lost]
        await world.house.rulings().confirm(OPERATOR)
        assert await actions(world.house.database, EVERYBODY) == ["chain.confirm"]
        # The lost credit is settled: the next credit of the same amount is paid anew.
        again = await accept(world, CommandKind.CREDIT_WALLET, before.credited)
        succeeded(await world.ended(again))
        assert await world.balance(before.credited.seller.address) == 3 * CREDIT


async def test_transaction_of_a_channel_created_since_the_backup_is_found(
    past: tuple[Past, Path], devnet: RunningDevnet
) -> None:
    before, folder = past
    await lost_credit(before, devnet, folder)
    with psycopg.connect(before.lost.url()) as connection:
        known = connection.execute("update escrow.channels set is_retired = true").rowcount
    lost = await lost_credit(before, devnet, folder)
    assert known

    async with house_on(
        before.database, devnet, folder, marketplace_id=before.marketplace_id
    ) as world:
        async with asyncio.timeout(WAIT_SECONDS):
            while not (hold := await hold_of(world)) or lost not in {  # noqa: ASYNC110 - no bell
                found.hash for found in hold.unclaimed
            }:
                await asyncio.sleep(0.02)


async def test_repeated_credit_claims_the_landed_payment(
    past: tuple[Past, Path], devnet: RunningDevnet
) -> None:
    before, folder = past
    lost = await lost_credit(before, devnet, folder)
    async with house_on(
        before.database, devnet, folder, marketplace_id=before.marketplace_id
    ) as world:
        for asked in before.accepted:
            succeeded(await world.ended(asked))
        again = await accept(world, CommandKind.CREDIT_WALLET, before.credited)
        command = succeeded(await world.ended(again))

        assert [paid.transaction_hash for paid in command.payments] == [lost]
        assert await world.balance(before.credited.seller.address) == 2 * CREDIT
