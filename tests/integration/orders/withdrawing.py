"""How the tests of withdrawals ask for one and read what became of it."""

import uuid

from orchestrator.orders.v1 import withdrawals_pb2

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
