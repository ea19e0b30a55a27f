"""Guards against rare races: expired keys, holds that appear late, other marketplaces."""

import asyncio
import uuid
from collections.abc import Sequence

import psycopg
import pytest

from chassis.idempotency import IdempotencyKeyReused, RequestKey
from chassis.outbox import Outbox
from kernel.clock import SystemClock
from kernel.ids import MarketplaceId, UserId
from services.ledger.batch import Posted, Posting
from services.ledger.book import NewTransfer, Result, TransferStatus
from services.ledger.domain import decide
from services.ledger.queries import LedgerQueries
from services.ledger.store import LedgerStore
from services.ledger.trouble import StaleBookError
from tests import passing
from tests.integration.ledger.conftest import (
    USDC,
    WORLD,
    House,
    pending,
    post,
    single,
)
from tests.passing import DAY, MOMENT
from tests.patience import PATIENCE_SECONDS

CREATED, EXISTS = TransferStatus.CREATED, TransferStatus.EXISTS


def in_words(results: Sequence[Result]) -> bytes:
    return " ".join(f"{result.id} {result.status.name}" for result in results).encode()


async def test_an_answer_is_kept_for_24_hours_of_the_database(house: House) -> None:
    service = house.service
    request_id = uuid.uuid4().hex

    async def ask(fingerprint: bytes, transfer: NewTransfer) -> Posted:
        key = RequestKey(
            marketplace_id=house.marketplace, scope="", key=request_id, fingerprint=fingerprint
        )
        return await service.post_transfers(
            Posting(
                marketplace_id=house.marketplace, transfers=[transfer], key=key, encode=in_words
            )
        )

    one, two = single(WORLD, "suspense", 1), single(WORLD, "suspense", 2)
    first = await ask(b"one", one)
    passing.for_answers(house.owner_url, DAY - MOMENT, schema="ledger")
    at_the_last_moment = await ask(b"one", one)
    with pytest.raises(IdempotencyKeyReused):
        await ask(b"two", two)
    passing.for_answers(house.owner_url, 2 * MOMENT, schema="ledger")
    other = await ask(b"two", two)
    again = await ask(b"two", two)

    assert (at_the_last_moment.body, at_the_last_moment.replayed) == (first.body, True)
    assert (other.replayed, again.replayed) == (False, True)
    assert other.body == again.body != first.body
    with pytest.raises(IdempotencyKeyReused):
        await ask(b"one", one)


async def test_hold_created_while_accounts_are_being_locked_is_loaded(house: House) -> None:
    ann, bob = await house.user(100), await house.user(100)
    # To an account without a row to lock.
    hold = pending(bob, "suspense", 40)
    await house.replica()
    async with await psycopg.AsyncConnection.connect(house.owner_url) as holder:
        await holder.execute("select 1 from ledger.accounts where name = %s for update", (ann,))
        # It waits for ann's row. It has looked for the hold and found none.
        ending = asyncio.create_task(house.post(single(ann, "suspense", 10), post(hold), replica=1))
        await until_one_waits(house)
        assert [result.status for result in await house.post(hold)] == [CREATED]
        await holder.commit()

    results = await ending

    assert [result.status for result in results] == [CREATED, CREATED]
    left = [await house.balance(name) for name in (ann, bob)]
    assert [(one.available, one.reserved) for one in left] == [(90, 0), (60, 0)]


async def until_one_waits(house: House) -> None:
    """Wait until a statement waits for a lock."""
    waiting = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database()"
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        while house.rows(waiting) == [(0,)]:  # noqa: ASYNC110 - asks Postgres
            await asyncio.sleep(0.01)


async def test_a_changed_account_is_not_overwritten(house: House) -> None:
    ann = await house.user(100)
    store, at = LedgerStore(outbox=Outbox()), SystemClock().now()
    asked = [single(WORLD, ann, 5)]
    before = house.rows("select * from ledger.accounts where name = %s", ann)

    async def write_what_was_written_since() -> None:
        async with house.replicas[0].database.transaction() as tx:
            batch = await store.load(tx, asked={house.marketplace: asked}, keys=[], at=at)
            book = batch.books[house.marketplace]
            async with store.saving(tx, batch, at=at):
                assert [one.status for one in decide(book, asked=asked, at=at)] == [CREATED]
                account = book.accounts[USDC, ann]
                assert account.stored_version is not None
                # As if another transaction had written it, which the lock prevents.
                account.stored_version -= 1

    with pytest.raises(StaleBookError):
        await write_what_was_written_since()

    assert house.rows("select * from ledger.accounts where name = %s", ann) == before
    assert house.rows("select 1 from ledger.transfers where id = %s", asked[0].id) == []


async def test_one_user_id_in_two_marketplaces_has_two_accounts_and_two_statements(
    house: House,
) -> None:
    user_id, lines = UserId(uuid.uuid4()), {}
    name = f"user:{user_id}"
    marketplaces = [house.marketplace, MarketplaceId(uuid.uuid4())]
    for amount, marketplace in enumerate(marketplaces, start=7):
        house.marketplace = marketplace
        async with house.replicas[0].database.transaction() as tx:
            await LedgerQueries().open_account(
                tx,
                marketplace_id=marketplace,
                user_id=user_id,
                public_id="usr_both",
                asset=USDC,
                at=SystemClock().now(),
            )
        for _ in range(amount):
            await house.post(single(WORLD, name, amount))

    for amount, marketplace in enumerate(marketplaces, start=7):
        house.marketplace = marketplace
        lines[marketplace] = await house.service.list_entries(
            marketplace_id=marketplace, user_id=user_id, asset=USDC, before=None, size=100
        )
        found = [line.available_change for line in lines[marketplace]]
        assert found == [amount] * amount
        assert (await house.balance(name)).available == amount * amount
    mine, theirs = ({line.transfer.id for line in found} for found in lines.values())
    assert mine.isdisjoint(theirs)
