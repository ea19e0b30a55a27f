"""Manual credits: paid once per reference, by any process, where they are allowed."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer, IdempotencyKeyInProgress
from kernel.errors import FailedPrecondition
from kernel.ids import new_id
from kernel.money import CENT, InvalidAmountFormat
from services.orders.funds.credit import ReferenceTaken
from services.orders.funds.credits import ManualCreditDisabled, NewCredit
from services.orders.peers.ports import Command, ProviderError
from services.orders.people.users import UserNotFound
from tests.fakes import FakeEscrow
from tests.integration.orders.conftest import Peers, Shop, open_shop
from tests.integration.orders.test_previews import contents, rehearsed
from tests.patience import PATIENCE_SECONDS

TEN = 1000 * CENT


@pytest.fixture
async def generous(shop: Shop, postgres_admin: str) -> Shop:
    """A marketplace that allows manual credits, with a user."""
    await _allow(postgres_admin, shop.marketplace_id)
    await shop.user("usr_buyer")
    return shop


async def _allow(postgres_admin: str, marketplace_id: uuid.UUID) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_admin, autocommit=True) as admin:
        await admin.execute(
            "insert into orders.marketplaces (id, allows_manual_credit) values (%s, true)",
            (marketplace_id,),
        )


async def _credit(shop: Shop, *, key: str = "", amount: int = TEN, wait: float = 10) -> Answer:
    return await shop.crediting.credit(
        shop.key(key),
        NewCredit(user="usr_buyer", amount=amount, reference="bonus-1", description=""),
        wait_seconds=wait,
    )


async def _balance(shop: Shop) -> int:
    user = await shop.registry.get(marketplace_id=shop.marketplace_id, ref="usr_buyer")
    return shop.peers.ledger.available.get(f"user:{user.id}", 0)


async def test_a_credit_is_paid_and_booked_once_per_reference(generous: Shop) -> None:
    answers = await asyncio.gather(*(_credit(generous) for _ in range(5)))

    states = {orders_pb2.Credit.FromString(answer.body).state for answer in answers}
    assert states == {"SUCCEEDED"}
    assert await _balance(generous) == TEN
    assert len(generous.peers.escrow.commands) == 1


async def test_two_marketplaces_may_use_the_same_reference(
    generous: Shop, database_url: Callable[[str], str], postgres_admin: str
) -> None:
    other_id = new_id()
    async with open_shop(database_url("orders"), Peers(), other_id) as other:
        await _allow(postgres_admin, other_id)
        await other.user("usr_buyer")
        mine = orders_pb2.Credit.FromString((await _credit(generous)).body)
        theirs = orders_pb2.Credit.FromString((await _credit(other, amount=2 * TEN)).body)
        again = orders_pb2.Credit.FromString((await _credit(generous)).body)

        assert (await _balance(generous), await _balance(other)) == (TEN, 2 * TEN)
    assert mine.id == again.id != theirs.id


async def test_the_same_reference_for_another_amount_is_refused(generous: Shop) -> None:
    await _credit(generous)

    with pytest.raises(ReferenceTaken):
        await _credit(generous, amount=TEN * 2)

    assert await _balance(generous) == TEN


async def test_a_credit_left_running_is_resumed(generous: Shop) -> None:
    generous.peers.ledger.is_away = True
    running = await _credit(generous, wait=0.5)
    await generous.crediting.close()
    generous.peers.ledger.is_away = False

    await _run_out(generous)
    resuming = asyncio.create_task(generous.crediting.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _balance(generous) == 0:  # noqa: ASYNC110 - asks the fake ledger
            await asyncio.sleep(0.01)
    resuming.cancel()

    assert orders_pb2.Credit.FromString(running.body).state == "RUNNING"
    assert await _balance(generous) == TEN


async def test_a_marketplace_that_does_not_allow_credits_is_refused(shop: Shop) -> None:
    await shop.user("usr_buyer")

    with pytest.raises(ManualCreditDisabled):
        await _credit(shop)

    assert not shop.peers.escrow.commands


async def test_an_unknown_user_is_not_found(generous: Shop) -> None:
    with pytest.raises(UserNotFound):
        await generous.crediting.credit(
            generous.key(),
            NewCredit(user=str(uuid.uuid4()), amount=TEN, reference="r", description=""),
            wait_seconds=0,
        )


@pytest.mark.parametrize("amount", [0, CENT - 1])
async def test_parts_of_a_cent_are_refused(generous: Shop, amount: int) -> None:
    with pytest.raises(InvalidAmountFormat):
        await _credit(generous, amount=amount)


async def test_a_credit_refused_by_the_chain_frees_reference_and_key(generous: Shop) -> None:
    generous.peers.escrow.fails["credit"] = "CHAIN_REFUSED"
    with pytest.raises(ProviderError):
        await _credit(generous, key="first")
    with pytest.raises(ProviderError):
        await _credit(generous, key="first")
    generous.peers.escrow.fails.clear()

    paid = await _credit(generous, key="first")

    assert orders_pb2.Credit.FromString(paid.body).state == "SUCCEEDED"
    assert await _balance(generous) == TEN


async def test_a_refused_credit_is_not_retried(generous: Shop) -> None:
    generous.peers.escrow.fails["credit"] = "CHAIN_REFUSED"
    with pytest.raises(ProviderError):
        await _credit(generous)
    asked = len(generous.peers.escrow.commands)
    generous.peers.escrow.fails.clear()

    resuming = asyncio.create_task(generous.crediting.run())
    other = await generous.crediting.credit(
        generous.key(),
        NewCredit(user="usr_buyer", amount=TEN, reference="bonus-2", description=""),
        wait_seconds=10,
    )
    resuming.cancel()

    assert orders_pb2.Credit.FromString(other.body).state == "SUCCEEDED"
    assert len(generous.peers.escrow.commands) == asked + 1
    assert await _balance(generous) == TEN


async def test_replay_returns_the_answer_of_the_payment(generous: Shop) -> None:
    generous.peers.ledger.is_away = True
    running = await _credit(generous, key="one", wait=0.2)
    with pytest.raises(IdempotencyKeyInProgress):
        await _credit(generous, key="one", wait=0.2)
    generous.peers.ledger.is_away = False
    by_another_key = await _credit(generous, key="two")

    replayed = await _credit(generous, key="one")
    again = await _credit(generous, key="two")

    assert orders_pb2.Credit.FromString(running.body).state == "RUNNING"
    assert (replayed.replayed, again.replayed) == (True, True)
    assert replayed.body == again.body == by_another_key.body
    assert await _balance(generous) == TEN


async def test_refusal_of_a_credit_beyond_the_platforms_balance_is_stored_for_its_key(
    generous: Shop,
) -> None:
    generous.peers.escrow.refuses["credit"] = FailedPrecondition("poor", reason="TOO_POOR")
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await _credit(generous, key="one")
        assert refused.value.reason == "TOO_POOR"
    generous.peers.escrow.refuses.clear()

    paid = await _credit(generous, key="two")

    assert orders_pb2.Credit.FromString(paid.body).state == "SUCCEEDED"
    assert await _balance(generous) == TEN


async def test_refused_repeat_does_not_end_a_running_credit(generous: Shop) -> None:
    generous.peers.escrow.is_away = True
    await _credit(generous, wait=0.2)
    generous.peers.escrow.is_away = False
    generous.peers.escrow.refuses["credit"] = FailedPrecondition("poor", reason="TOO_POOR")

    still_running = await _credit(generous, wait=0.2)

    assert orders_pb2.Credit.FromString(still_running.body).state == "RUNNING"
    generous.peers.escrow.refuses.clear()
    assert orders_pb2.Credit.FromString((await _credit(generous)).body).state == "SUCCEEDED"
    assert await _balance(generous) == TEN


async def test_a_credit_taken_over_by_another_process_is_not_failed_by_the_first(
    generous: Shop, database_url: Callable[[str], str]
) -> None:
    first, peers = generous, generous.peers
    asked, refuse = asyncio.Event(), asyncio.Event()

    class Slow(FakeEscrow):
        """Refuses the credit, after the test says so."""

        async def credit(self, **_: object) -> Command:
            asked.set()
            await refuse.wait()
            raise FailedPrecondition("poor", reason="TOO_POOR")

    first.crediting._escrow = Slow()
    answering = asyncio.create_task(_credit(first, wait=10))
    await asked.wait()
    async with open_shop(database_url("orders"), peers, first.marketplace_id) as second:
        await _run_out(second)
        resuming = asyncio.create_task(second.crediting.run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await _state(second) == "RUNNING":  # noqa: ASYNC110 - another task pays
                await asyncio.sleep(0.01)
        resuming.cancel()
        refuse.set()
        answer = await answering

        assert orders_pb2.Credit.FromString(answer.body).state == "SUCCEEDED"
        assert await _balance(second) == TEN


async def _state(shop: Shop) -> object:
    async with shop.database.transaction() as tx:
        return await tx.fetchval("select state from credits")


async def _run_out(shop: Shop) -> None:
    """Let the lease of whichever process carries a credit out run out."""
    async with shop.database.transaction() as tx:
        await tx.execute("update credits set lease_until = 'epoch'")


async def test_credit_is_previewed_as_it_is_paid(generous: Shop, postgres_admin: str) -> None:
    new = NewCredit(user="usr_buyer", amount=50_000_000, reference="welcome", description="")
    before = contents(postgres_admin)
    parts, peers = rehearsed(generous)

    answer = await parts.crediting().credit(generous.key("one"), new, wait_seconds=0)

    assert contents(postgres_admin) == before
    foreseen = orders_pb2.Credit.FromString(answer.body)
    assert (foreseen.id, foreseen.state, peers.steps) == ("", "SUCCEEDED", ["credit"])
    # The key and the reference are free.
    done = orders_pb2.Credit.FromString(
        (await generous.crediting.credit(generous.key("one"), new, wait_seconds=10)).body
    )
    assert done.state == foreseen.state
    taken = replace(new, amount=new.amount + 100_000)
    parts, peers = rehearsed(generous)
    with pytest.raises(ReferenceTaken):
        await parts.crediting().credit(generous.key("two"), taken, wait_seconds=0)
    known = await parts.crediting().credit(generous.key("two"), new, wait_seconds=0)
    assert orders_pb2.Credit.FromString(known.body).id == done.id
    assert peers.steps == []
