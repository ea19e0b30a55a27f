"""How the tests of withdrawals choose rules, ask for a withdrawal and read what became of it."""

import datetime as dt
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from orchestrator.orders.v1 import withdrawals_pb2
from psycopg import sql

from chassis import identity
from chassis.idempotency import Answer
from kernel.money import CENT
from services.orders.withdrawals.service import NewWithdrawal
from tests.integration.orders.conftest import Shop

FIVE = 500 * CENT
OUTSIDE = "GOUTSIDE"


def asked(*, commit: bool = False, amount: int = FIVE, user: str = "usr_buyer") -> NewWithdrawal:
    """Ask for a withdrawal of 5.00."""
    return NewWithdrawal(
        user=user, amount=amount, destination=OUTSIDE, memo=None, reference="", commit=commit
    )


def read(answer: Answer) -> withdrawals_pb2.Withdrawal:
    """Decode an answer."""
    return withdrawals_pb2.Withdrawal.FromString(answer.body)


def state(answer: Answer) -> str:
    """Return the state in an answer."""
    return withdrawals_pb2.WithdrawalState.Name(read(answer).state).removeprefix(
        "WITHDRAWAL_STATE_"
    )


async def made(shop: Shop) -> uuid.UUID:
    """Create a withdrawal; returns its id."""
    return uuid.UUID(read(await shop.withdrawing.create(shop.ask(), asked())).id)


async def commit(shop: Shop, withdrawal: uuid.UUID, key: str = "", wait: float = 10) -> Answer:
    """Commit a withdrawal as the marketplace."""
    return await shop.withdrawing.commit(
        shop.ask(key, wait=wait), withdrawal_id=withdrawal, user_id=None
    )


async def now(shop: Shop, withdrawal: uuid.UUID) -> str:
    """Return the state of a withdrawal."""
    found = await shop.withdrawing.get(
        marketplace_id=shop.marketplace_id, withdrawal_id=withdrawal, user_id=None
    )
    return found.state.value


async def told(shop: Shop, withdrawal: uuid.UUID) -> list[tuple[str, int]]:
    """Return the events of a withdrawal, with their versions."""
    found = await shop.withdrawing.get(
        marketplace_id=shop.marketplace_id, withdrawal_id=withdrawal, user_id=None
    )
    async with shop.database.transaction() as tx:
        rows = await tx.fetch(
            "select event_type, version from outbox where aggregate_id = %(id)s order by version",
            {"id": found.public_id},
        )
    return [(row.event_type.removeprefix("withdrawal."), row.version) for row in rows]


def held_and_free(shop: Shop) -> tuple[int, int]:
    """Return what the one user with money has reserved and available."""
    [(account, free)] = shop.peers.ledger.available.items()
    return shop.peers.ledger.reserved(account), free


async def is_in(shop: Shop, withdrawal: uuid.UUID, wanted: str) -> bool:
    """Return whether a withdrawal is in a state."""
    return await now(shop, withdrawal) == wanted


def choose(url: str, shop: Shop, **columns: object) -> None:
    """Choose rules as an operator does. url: of an administrator."""
    names = list(columns)
    statement = sql.SQL(
        "insert into orders.marketplaces (id, {names}) values (%s, {values})"
        " on conflict (id) do update set ({names}) = row({values})"
    ).format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(sql.Placeholder() for _ in names),
    )
    with psycopg.connect(url) as connection:
        connection.execute(statement, (shop.marketplace_id, *[*columns.values()] * 2))


@contextmanager
def key(name: str) -> Iterator[None]:
    """Act as another key of the marketplace."""
    with identity.acting_as(replace(identity.current(), principal=f"key:{name}")):
        yield


async def approve(
    shop: Shop, withdrawal: uuid.UUID, *, by: str = "other", wait: float = 10
) -> Answer:
    """Approve a withdrawal as a key."""
    with key(by):
        return await shop.withdrawing.approve(shop.ask(wait=wait), withdrawal_id=withdrawal)


async def cancel(shop: Shop, withdrawal: uuid.UUID) -> Answer:
    """Cancel a withdrawal as the marketplace."""
    return await shop.withdrawing.cancel(shop.key(), withdrawal_id=withdrawal, user_id=None)


async def later(shop: Shop, time: dt.timedelta) -> None:
    """Move the marketplace's clock on."""
    await shop.chosen.advance(shop.key(), by=time)


async def waiting(shop: Shop, url: str) -> uuid.UUID:
    """Create a withdrawal that waits for an approval; returns its id."""
    choose(url, shop, approval_above=FIVE - 1, approval_hours=24)
    withdrawal = await made(shop)
    assert state(await commit(shop, withdrawal)) == "AWAITING_APPROVAL"
    return withdrawal
