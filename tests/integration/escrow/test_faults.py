"""Bad weather on the chain: whatever the node says or keeps to itself, money moves once."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.escrow.contracts.intents import FundEscrow
from services.escrow.contracts.steps import StepName
from services.escrow.domain import Command, CommandInMotion, CommandKind, CommandState, EscrowState
from tests.integration.escrow import outsiders
from tests.integration.escrow.world import AMOUNT, Order, World, succeeded

RELEASE_CALLS = ("change_milestone_status", "approve_milestone", "release_funds")


def is_quarantined(command: Command) -> bool:
    """Tell whether an operator must look."""
    return command.state is CommandState.QUARANTINED


async def attempts_of(world: World, order: Order, name: StepName) -> list[Any]:
    """Read the attempts of a step of the order's newest command that has it."""
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    statement = """
        select a.hash, a.number, a.source, a.sequence, a.state, a.ledger, a.code, a.is_burn,
               a.envelope_xdr, a.max_time, a.max_fee, a.step_id,
               a.bump_hash, s.command_id
        from attempts a join steps s on s.id = a.step_id join commands c on c.id = s.command_id
        where c.escrow_id = %(escrow)s and s.name = %(name)s order by a.number"""
    async with world.house.database.transaction() as tx:
        return await tx.fetch(statement, {"escrow": escrow.id, "name": name})


@pytest.mark.parametrize("mode", ["close", "504"])
@pytest.mark.parametrize("function", [*RELEASE_CALLS, "transfer"])
async def test_an_answer_lost_after_inclusion_pays_once(
    world: World, mode: str, function: str
) -> None:
    order = await world.funded()
    await world.fault(kind="lost_answer", function=function, mode=mode)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT


async def test_funding_whose_answer_is_lost_moves_the_money_once(world: World) -> None:
    order = await world.order()
    await world.created(order)
    await world.fault(kind="lost_answer", function="fund_escrow")

    await world.do(CommandKind.FUND, order)

    assert await world.balance(order.buyer.address) == 20 * 10_000_000


async def test_a_node_that_says_try_again_later_is_asked_again(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="try_again_later", function="release_funds", count=3)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT
    sent = await attempts_of(world, order, StepName.RELEASE_FUNDS)
    assert [row.state for row in sent] == ["SUCCEEDED"]


async def test_a_landed_transaction_that_is_not_shown_yet_is_waited_for(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="not_found", function="release_funds", count=5)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT
    assert len(await attempts_of(world, order, StepName.RELEASE_FUNDS)) == 1


async def test_an_expired_transaction_is_built_anew_with_the_same_sequence_number(
    impatient: World,
) -> None:
    order = await impatient.order()
    await impatient.created(order)
    await impatient.fault(kind="hold", function="fund_escrow")

    await impatient.do(CommandKind.FUND, order)

    sent = await attempts_of(impatient, order, StepName.FUND)
    assert [row.state for row in sent] == ["EXPIRED", "SUCCEEDED"]
    assert sent[0].source == sent[1].source
    assert sent[0].sequence == sent[1].sequence
    assert sent[0].max_time < sent[1].max_time
    assert await impatient.balance(order.buyer.address) == 20 * 10_000_000


async def test_a_transaction_that_no_ledger_takes_bids_twice_as_much_and_alarms_at_the_third(
    impatient: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await impatient.order()
    await impatient.created(order)
    await impatient.fault(kind="hold", function="fund_escrow", count=3)
    build, tries = impatient.house.builder.build, []

    async def building(intent: Any, **frame: Any) -> Any:
        if isinstance(intent, FundEscrow):
            tries.append(frame["tries"])
        return await build(intent, **frame)

    monkeypatch.setattr(impatient.house.builder, "build", building)
    with capture_logs() as logs:
        await impatient.do(CommandKind.FUND, order)

    # Each doubles what the network's fees suggest: tests/unit/escrow/test_stellar_bids.py.
    assert tries == [0, 1, 2, 3]
    alarms = [line for line in logs if line["event"] == "escrow.does_not_land"]
    assert [line["tries"] for line in alarms] == [3]
    assert {line["log_level"] for line in alarms} == {"error"}


async def test_a_transaction_that_fails_on_the_ledger_is_tried_with_the_next_number(
    world: World,
) -> None:
    order = await world.funded()
    await world.fault(kind="fail_at_apply", function="release_funds")

    with capture_logs() as logs:
        await world.do(CommandKind.RELEASE, order)

    # The books know the number for used: no node has to say so.
    assert [line for line in logs if line["event"] == "escrow.channel_ahead"] == []
    sent = await attempts_of(world, order, StepName.RELEASE_FUNDS)
    assert [row.state for row in sent] == ["FAILED", "SUCCEEDED"]
    assert sent[1].sequence == sent[0].sequence + 1
    assert await world.balance(order.seller.address) == AMOUNT


_SIGNED_AGAIN = """
insert into attempts (hash, step_id, number, source, sequence, envelope_xdr, max_time,
                      auth_expires_ledger, max_fee, network, prepared_at_ledger, state, created_at)
select encode(sha256(hash::bytea), 'hex'), step_id, number + 1, source, sequence, envelope_xdr,
       max_time, auth_expires_ledger, max_fee, network, prepared_at_ledger, 'SENT', now()
from attempts where hash = %(hash)s
"""


async def test_what_is_signed_with_a_number_that_a_ledger_has_used_is_dead(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="fail_at_apply", function="transfer", count=3)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    await world.until(asked.command_id, lambda command: command.error_reason == "CHAIN_FAILED")
    failed = await attempts_of(world, order, StepName.MAKE_GOOD)

    # As where a node showed the account as it was before.
    async with world.house.database.transaction() as tx:
        await tx.execute(_SIGNED_AGAIN, {"hash": failed[-1].hash})
    await world.wake(asked.command_id)
    succeeded(await world.ended(asked))

    sent = await attempts_of(world, order, StepName.MAKE_GOOD)
    assert [row.state for row in sent] == ["FAILED"] * 3 + ["EXPIRED", "SUCCEEDED"]
    assert await world.balance(order.seller.address) == AMOUNT


async def test_funding_that_fails_on_the_ledger_again_and_again_is_refused(world: World) -> None:
    order = await world.order()
    await world.created(order)
    await world.fault(kind="fail_at_apply", function="fund_escrow", count=3)

    answer = await world.escrows.fund(world.asked(CommandKind.FUND), order_id=order.id)
    command = await world.ended(answer)

    assert (command.state, command.error_reason) == (CommandState.FAILED, "CHAIN_FAILED")
    assert command.escrow is not None
    assert command.escrow.state is EscrowState.FAILED
    assert await world.balance(order.buyer.address) == 100 * 10_000_000
    # Nothing of it is left: the same may be asked again, on whichever channel is free.
    await world.created(order)
    await world.do(CommandKind.FUND, order)


@pytest.mark.parametrize(
    "method", ["sendTransaction", "getTransaction", "simulateTransaction", "getLedgerEntries"]
)
async def test_a_node_that_is_down_for_a_while_only_delays(world: World, method: str) -> None:
    order = await world.funded()
    await world.fault(kind="rpc_down", function=method, count=6)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT


async def test_a_node_that_shows_old_sequence_numbers_is_waited_for(world: World) -> None:
    order = await world.funded()
    await world.fault(kind="stale_sequence", count=4)

    await world.do(CommandKind.RELEASE, order)

    assert await world.balance(order.seller.address) == AMOUNT


async def test_a_contract_that_somebody_else_disputed_is_quarantined(world: World) -> None:
    order = await world.funded()
    await outsiders.dispute(world, order)

    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    command = await world.until(asked.command_id, is_quarantined)

    assert "disputed" in command.error_message
    assert command.finished_at is None
    assert await world.balance(order.seller.address) == 0
    assert command.escrow is not None
    assert await world.balance(command.escrow.contract_id) == AMOUNT


async def test_a_quarantined_command_keeps_others_away_and_no_channel(world: World) -> None:
    order = await world.funded()
    await outsiders.dispute(world, order)
    asked = world.asked(CommandKind.FREEZE)
    await world.escrows.freeze(asked, order_id=order.id)
    await world.until(asked.command_id, is_quarantined)

    with pytest.raises(CommandInMotion):
        await world.do(CommandKind.REFUND, order)
    others = await asyncio.gather(*(world.funded() for _ in range(3)))

    assert len(others) == 3


async def test_a_contract_that_somebody_else_released_is_quarantined(world: World) -> None:
    order = await world.funded()
    await outsiders.release(world, order)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)

    command = await world.until(asked.command_id, is_quarantined)

    assert "paid out" in command.error_message
    # Nothing is made good on money whose way no book knows.
    assert await world.balance(order.seller.address) == 797_600_000


async def test_a_fee_that_cannot_be_made_good_now_is_made_good_later(world: World) -> None:
    order = await world.funded()
    platform = (await world.house.keyring.platform()).address
    held = await world.balance(platform)
    # Somebody empties the platform's wallet, and later fills it again.
    thief = await world.wallet()
    await outsiders.pay(world, to=thief.address, amount=held)
    asked = world.asked(CommandKind.RELEASE)
    await world.escrows.release(asked, order_id=order.id)
    await world.until_resting(asked.command_id)

    await world.pay_in_at(platform, "1000.00")
    await world.wake(asked.command_id)
    command = await world.ended(asked)

    assert command.state is CommandState.SUCCEEDED
    assert await world.balance(order.seller.address) == AMOUNT


async def test_an_envelope_is_stored_before_its_first_byte_is_sent(world: World) -> None:
    order = await world.funded()
    house, seen = world.house, []
    real = house.chain.submit

    async def spy(envelope_xdr: str) -> Any:
        async with house.database.transaction() as tx:
            statement = """
                select a.hash from attempts a join envelopes e using (hash)
                where e.envelope = decode(%(envelope)s, 'base64') and a.state = 'SENT'
            """
            seen.append(await tx.fetchrow(statement, {"envelope": envelope_xdr}) is not None)
        return await real(envelope_xdr)

    house.chain.submit = spy  # type: ignore[method-assign] # a spy on the real one
    try:
        await world.do(CommandKind.RELEASE, order)
    finally:
        house.chain.submit = real  # type: ignore[method-assign] # back again

    assert len(seen) >= 4
    assert all(seen)
