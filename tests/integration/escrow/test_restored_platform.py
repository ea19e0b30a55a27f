"""A database is restored whose later transactions used only accounts created since the backup."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from services.escrow.commands.acceptance import Request
from services.escrow.domain import CommandKind, CommandState
from services.escrow.sending.landings import Hold
from services.escrow.sending.recovery import NothingHeld
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_restored import OPERATOR, accept, hold_of, house_on
from tests.integration.escrow.world import Order, World, succeeded
from tests.patience import until


@dataclass(kw_only=True)
class Place:
    """A database, a devnet, and a platform account whose key the operator has too."""

    database: TestDatabase
    devnet: RunningDevnet
    folder: Path
    operator: Stranger
    marketplace_id: uuid.UUID

    @asynccontextmanager
    async def house(self, database: TestDatabase | None = None) -> AsyncIterator[World]:
        """Run a house on the database, or on another."""
        async with house_on(
            database or self.database,
            self.devnet,
            self.folder,
            marketplace_id=self.marketplace_id,
            platform_secret=SecretStr(self.operator.secret),
        ) as world:
            yield world

    def execute(self, statement: str, database: TestDatabase | None = None) -> int:
        """Execute an SQL statement on the database; returns the number of changed rows."""
        with psycopg.connect((database or self.database).url()) as connection:
            return connection.execute(statement.encode()).rowcount

    def books(self) -> tuple[int | None, int | None]:
        """Return the platform's stored sequence number, and the ledger in which it was seen."""
        with psycopg.connect(self.database.url()) as connection:
            found = "select last_sequence, seen_ledger from escrow.platform"
            row = connection.execute(found).fetchone()
        assert row is not None
        return row[0], row[1]

    def number(self) -> int:
        """Return the stored sequence number of the platform."""
        number, _ = self.books()
        assert number is not None
        return number

    @asynccontextmanager
    async def backup(self) -> AsyncIterator[TestDatabase]:
        """Copy the database as it is."""
        copy = TestDatabase(f"{self.database.name}_restored", self.database.server)
        self.database.server.execute(
            "create database {} template {}", copy.name, self.database.name
        )
        yield copy
        copy.drop()


@pytest.fixture
async def place(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> AsyncIterator[Place]:
    database = make_database()
    yield Place(
        database=database,
        devnet=devnet,
        folder=tmp_path,
        operator=Stranger(devnet.info),
        marketplace_id=uuid.uuid4(),
    )
    database.drop()


async def accepted_release(place: Place) -> tuple[Order, Request]:
    """Fund an order and accept its release, which no worker executes yet."""
    async with place.house() as world:
        order = await world.funded()
        await world.pause_worker()
        return order, await accept(world, CommandKind.RELEASE, order)


async def carried_out(place: Place, asked: Request) -> None:
    """Execute the release that was accepted before the backup."""
    async with place.house() as world:
        succeeded(await world.ended(asked))


async def compared(world: World) -> Hold | None:
    """Compare the chain with the books again; returns the chain hold, or None."""
    await world.house.recovery.check()
    return await hold_of(world)


async def test_transactions_sent_only_by_new_channels_since_the_backup_are_found(
    place: Place,
) -> None:
    order, asked = await accepted_release(place)
    async with place.backup() as copy:
        retired = place.execute("update escrow.channels set is_retired = true")
        await carried_out(place, asked)

        async with place.house(copy) as world:
            hold = await hold_of(world)
            command = await world.ended(asked)

            assert await world.balance(order.seller.address) == 80 * 10_000_000
    assert retired == 4
    assert hold is not None
    assert place.operator.address in hold.why
    assert (command.state, command.error_reason) == (CommandState.SUCCEEDED, "")


async def test_transactions_of_channels_not_yet_open_in_the_backup_are_found(place: Place) -> None:
    _, asked = await accepted_release(place)
    async with place.backup() as copy:
        place.execute("update escrow.channels set next_sequence = null", copy)
        await carried_out(place, asked)

        async with place.house(copy) as world:
            assert await hold_of(world) is not None
            succeeded(await world.ended(asked))


async def test_manual_payment_from_the_platform_account_opens_no_chain_hold(place: Place) -> None:
    async with place.house() as world:
        before = place.number()
        await place.operator.send(place.operator.lumens(str(place.devnet.info["usdcIssuer"]), "1"))

        assert await compared(world) is None
        assert place.number() == before + 1
        await world.funded()


async def test_channels_created_without_a_stored_sequence_number_open_no_chain_hold(
    place: Place,
) -> None:
    async with place.house() as world:
        known = place.number()
        place.execute("update escrow.channels set is_retired = true")
        await world.house.bootstrap().renew()
        noted = place.number()
        # The state after the previous version, or after a crash before the number was stored.
        place.execute("update escrow.platform set last_sequence = last_sequence - 1")

        assert await compared(world) is None
        assert noted == place.number() == known + 1


async def test_manually_created_account_opens_a_chain_hold_that_is_confirmed_once(
    place: Place,
) -> None:
    async with place.house() as world:
        await place.operator.make_account(Stranger(place.devnet.info).address, lumens="5")

        hold = await compared(world)
        world.bind()
        await world.house.rulings().confirm(OPERATOR)

        assert hold is not None
        assert place.operator.address in hold.why
        assert await compared(world) is None
        with pytest.raises(NothingHeld):
            await world.house.rulings().confirm(OPERATOR)
        await world.funded()


async def test_first_look_at_the_platform_account_opens_no_chain_hold(place: Place) -> None:
    async with place.house() as world:
        known = place.number()
        await world.funded()
    # The state in which the migration leaves an existing installation.
    place.execute("update escrow.platform set last_sequence = null, seen_ledger = null")

    async with place.house() as world:
        assert await hold_of(world) is None
    assert place.number() == known


async def test_stored_ledger_of_the_platform_account_advances(place: Place) -> None:
    async with place.house() as world:
        _, first = place.books()

        async def has_moved() -> bool:
            await compared(world)
            return (place.books()[1] or 0) > (first or 0)

        await until(has_moved)
