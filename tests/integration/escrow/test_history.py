"""A node with short retention: the outcome of an envelope is proved by its effect on chain."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.escrow.contracts.evidence import OutcomeStatus
from services.escrow.contracts.steps import StepName
from services.escrow.domain import CommandKind, CommandState
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger, inside
from tests.integration.escrow.test_bootstrap import channels_of
from tests.integration.escrow.test_faults import attempts_of, is_quarantined
from tests.integration.escrow.test_setbacks import function_of, replaced, requeued
from tests.integration.escrow.world import AMOUNT, World, new_escrow, succeeded


@asynccontextmanager
async def forgetting(world: World, *functions: str) -> AsyncIterator[None]:
    """Let the node forget the transactions that call these functions, and all older ledgers."""
    chain = world.house.chain
    submit, outcome, forgotten = chain.submit, chain.outcome, set()

    async def noting(envelope_xdr: str) -> Any:
        if function_of(world, envelope_xdr) in functions:
            async with world.house.database.transaction() as tx:
                chosen = (
                    "select a.hash, a.bump_hash from attempts a join envelopes e using (hash)"
                    " where e.envelope = decode(%(sent)s, 'base64')"
                )
                forgotten.update(await tx.fetchrow(chosen, {"sent": envelope_xdr}))
        return await submit(envelope_xdr)

    async def short(name: str) -> Any:
        found = await outcome(name)
        if name not in forgotten:
            return found
        newest = await chain.latest_ledger()
        return replace(
            found,
            status=OutcomeStatus.NOT_FOUND,
            latest_ledger=newest.sequence,
            latest_close_time=newest.close_time,
            oldest_ledger=newest.sequence,
            payments=(),
        )

    async with replaced(chain, "submit", noting), replaced(chain, "outcome", short):
        yield


async def test_envelope_that_never_landed_is_rebuilt_without_history(impatient: World) -> None:
    order = await impatient.order()
    await impatient.created(order)
    await impatient.fault(kind="hold", function="fund_escrow")

    async with forgetting(impatient, "fund_escrow"):
        asked = impatient.asked(CommandKind.FUND)
        await impatient.escrows.fund(asked, order_id=order.id)
        await impatient.until(asked.command_id, is_quarantined)
    # The first envelope never landed. The second landed and moved money; only a ledger proves that.
    sent = await attempts_of(impatient, order, StepName.FUND)
    assert [row.state for row in sent] == ["EXPIRED", "SENT"]
    assert sent[0].sequence == sent[1].sequence

    await requeued(impatient, asked)
    succeeded(await impatient.ended(asked))

    assert await impatient.balance(order.buyer.address) == 20 * 10_000_000


@pytest.mark.parametrize(
    ("kind", "function"),
    [
        (CommandKind.RELEASE, "change_milestone_status"),
        (CommandKind.RELEASE, "approve_milestone"),
        (CommandKind.REFUND, "dispute_escrow"),
    ],
)
async def test_landed_call_is_proved_by_its_effect_on_the_contract(
    impatient: World, kind: CommandKind, function: str
) -> None:
    order = await impatient.funded()

    async with forgetting(impatient, function):
        await impatient.do(kind, order)

    [sent] = await attempts_of(impatient, order, StepName(function))
    assert (sent.state, sent.code) == ("SUCCEEDED", "BY_EFFECT")


async def test_payout_that_failed_in_a_forgotten_ledger_is_rebuilt(impatient: World) -> None:
    order = await impatient.funded()
    await impatient.fault(kind="fail_at_apply", function="release_funds")

    async with forgetting(impatient, "release_funds"):
        asked = impatient.asked(CommandKind.RELEASE)
        await impatient.escrows.release(asked, order_id=order.id)
        await impatient.until(asked.command_id, is_quarantined)
    await requeued(impatient, asked)
    succeeded(await impatient.ended(asked))

    sent = await attempts_of(impatient, order, StepName.RELEASE_FUNDS)
    assert [row.state for row in sent] == ["FAILED", "SUCCEEDED"]
    assert await impatient.balance(order.seller.address) == AMOUNT


async def test_envelope_in_a_third_partys_fee_bump_lands_once_for_its_step(
    impatient: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="1.00")
    order = await impatient.funded()
    chain = impatient.house.chain
    submit = chain.submit
    await impatient.fault(kind="fail_at_apply", function="release_funds")

    async def paid_for(envelope_xdr: str) -> Any:
        return await submit(stranger.paying(envelope_xdr))

    async with replaced(chain, "submit", paid_for):
        await impatient.do(CommandKind.RELEASE, order)

    sent = await attempts_of(impatient, order, StepName.RELEASE_FUNDS)
    assert [row.state for row in sent] == ["FAILED", "SUCCEEDED"]
    assert sent[0].code.startswith("INVOKE_HOST_FUNCTION_")
    found = await chain.find(sent[1].hash)
    assert found is not None
    assert (found.hash, found.source) == (sent[1].hash, sent[1].source)
    assert await impatient.balance(order.seller.address) == AMOUNT


async def test_transaction_listed_only_under_its_fee_bump_hash_is_found(impatient: World) -> None:
    order = await impatient.funded()
    chain = impatient.house.chain
    outcome = chain.outcome
    async with impatient.house.database.transaction() as tx:
        known = {row.hash for row in await tx.fetch("select hash from attempts")}

    async def by_outer_hash(name: str) -> Any:
        async with impatient.house.database.transaction() as tx:
            is_inner = await tx.fetchrow("select from attempts where hash = %(h)s", {"h": name})
        found = await outcome(name)
        if is_inner is None or name in known:
            return found
        return replace(found, status=OutcomeStatus.NOT_FOUND, payments=())

    async with replaced(chain, "outcome", by_outer_hash):
        await impatient.do(CommandKind.RELEASE, order)

    [sent] = await attempts_of(impatient, order, StepName.RELEASE_FUNDS)
    command = succeeded(await impatient.ended(sent.command_id))
    assert {each.transaction_hash for each in command.payments} >= {sent.hash}
    assert await impatient.balance(order.seller.address) == AMOUNT


async def test_envelope_that_lands_without_its_fee_bump_completes_its_step(
    impatient: World, devnet: RunningDevnet
) -> None:
    stranger = Stranger(devnet.info)
    await stranger.come(amount="1.00")
    order = await impatient.funded()
    chain = impatient.house.chain
    submit, passphrase = chain.submit, devnet.info["networkPassphrase"]
    for channel in await channels_of(impatient):
        await stranger.send(stranger.lumens(channel, "10"))
    had = await chain.lumens(await channels_of(impatient))

    async def bare(envelope_xdr: str) -> Any:
        return await submit(inside(envelope_xdr, passphrase).to_xdr())

    async with replaced(chain, "submit", bare):
        await impatient.do(CommandKind.RELEASE, order)

    [sent] = await attempts_of(impatient, order, StepName.RELEASE_FUNDS)
    found = await chain.find(sent.hash)
    assert (sent.state, found and found.hash, found and found.bump_hash) == (
        "SUCCEEDED",
        sent.hash,
        "",
    )
    has = await chain.lumens([sent.source])
    assert has[sent.source] < had[sent.source]
    assert await impatient.balance(order.seller.address) == AMOUNT


async def test_channel_accounts_held_by_quarantined_commands_are_replaced(
    make_database: Callable[[], TestDatabase], devnet: RunningDevnet, tmp_path: Path
) -> None:
    async with running(
        make_database(), devnet, tmp_path, transaction_seconds=2, channel_accounts=2
    ) as world:
        orders = [await world.order() for _ in range(3)]
        for order in orders[:2]:
            await world.created(order)
        stuck = [world.asked(CommandKind.FUND) for _ in range(2)]
        async with forgetting(world, "fund_escrow"):
            for asked, order in zip(stuck, orders, strict=False):
                await world.escrows.fund(asked, order_id=order.id)
            await asyncio.gather(*(world.until(a.command_id, is_quarantined) for a in stuck))
            answer = await world.escrows.create(
                world.asked(CommandKind.CREATE), new_escrow(orders[2])
            )

            await world.house.bootstrap().renew()

            succeeded(await world.ended(answer))
        for asked in stuck:
            await requeued(world, asked)
            command = await world.ended(asked)
            assert command.state is CommandState.SUCCEEDED
