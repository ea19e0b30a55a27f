"""Redirections by rule: a marketplace's keys redirect a payout that the network refuses."""

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from orchestrator.escrow.v1 import escrow_pb2
from stellar_sdk.operation import ChangeTrust

from chassis import identity
from chassis.database import Transaction
from chassis.idempotency import Answer
from kernel.errors import DomainError
from services.escrow import wire
from services.escrow.commands.acceptance import Request
from services.escrow.commands.store import CommandStore
from services.escrow.contracts.destinations import Flaw
from services.escrow.domain import Command, CommandKind, CommandState, Escrow, PayeeRole
from services.escrow.operating.by_rule import Asked, RedirectsByRule
from services.escrow.operating.rulings import Ruling
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_denials import begun
from tests.integration.escrow.test_destinations import CHANGES
from tests.integration.escrow.test_redirects import ask as ask_as_operator
from tests.integration.escrow.test_redirects import freeze, redirect
from tests.integration.escrow.test_setbacks import replaced, resting
from tests.integration.escrow.world import AMOUNT, Order, World
from tests.lines import actions, lines

SELLER, BUYER = PayeeRole.SELLER, PayeeRole.BUYER


async def ask(
    world: World,
    order: Order,
    address: str,
    *,
    by: str = "one",
    party: PayeeRole = SELLER,
    hours: int = 0,
    wait: int = 30,
    key: str = "",
    use: RedirectsByRule | None = None,
) -> Answer:
    """Redirect as an API key. hours: how long a second key may approve; 0: one key is enough."""
    world.bind()
    asked = Asked(
        key=world.key(key or f"redirect:{uuid.uuid4()}"),
        order_id=order.id,
        party=party,
        address=address,
        why="the wallet is frozen",
        approval_hours=hours,
        wait_seconds=wait,
    )
    who = replace(identity.current(), principal=f"key:{by}", role=identity.ROLE_MARKETPLACE)
    with identity.acting_as(who):
        return await (use or world.house.by_rule()).redirect(asked)


def approver(answer: Answer) -> str:
    """Return who has approved the redirection, or "" if it waits for approval."""
    return escrow_pb2.Redirect.FromString(answer.body).approved_by


async def refusal(world: World, order: Order, address: str, **others: object) -> str:
    """Return the reason of a refusal."""
    with pytest.raises(DomainError) as refused:
        await ask(world, order, address, **others)  # type: ignore[arg-type] # as in `ask`
    return refused.value.reason


async def outsider(world: World) -> Stranger:
    """Return an account of a party outside the deployment."""
    made = Stranger(world.devnet.info)
    await made.come(amount="1.00")
    return made


async def refused_by_the_chain(world: World, kind: CommandKind, order: Order) -> Request:
    """Start a payout that the chain refuses, and wait until its command rests."""
    asked = await begun(world, kind, order)
    assert (await resting(world, asked.command_id)).error_reason == "CHAIN_REFUSED"
    return asked


@pytest.fixture(scope="module")
async def outside(world: World) -> Stranger:
    return await outsider(world)


@pytest.mark.parametrize(
    ("kind", "party"), [(CommandKind.RELEASE, SELLER), (CommandKind.REFUND, BUYER)]
)
async def test_one_request_abandons_the_refused_payout_and_redirects_the_next(
    world: World, outside: Stranger, kind: CommandKind, party: PayeeRole
) -> None:
    order = await world.funded()
    wallet = order.seller if party is SELLER else order.buyer
    left, had = await world.balance(wallet.address), await world.balance(outside.address)
    await freeze(world, wallet.address)
    stopped = await refused_by_the_chain(world, kind, order)

    key = f"redirect:{uuid.uuid4()}"
    first = await ask(world, order, outside.address, party=party, key=key)
    again = await ask(world, order, outside.address, party=party, key=key)
    ended = await world.ended(stopped)
    done = await world.ended(await begun(world, kind, order))

    assert (approver(first), first.replayed) == ("rule", False)
    assert (again.body, again.replayed) == (first.body, True)
    assert (ended.state, ended.error_reason) == (CommandState.FAILED, "ABANDONED")
    assert done.state is CommandState.SUCCEEDED
    assert await world.balance(outside.address) == had + AMOUNT
    assert await world.balance(wallet.address) == left
    assert done.escrow is not None
    assert await world.balance(done.escrow.contract_id) == 0
    paid = [one for one in wire.command(done).payments if one.redirected]
    assert {one.to_address for one in paid} == {outside.address}
    told = await lines(world.house.database, world.marketplace_id, target_id=str(order.id))
    [line] = [one for one in told if one.action.startswith("payout.")]
    assert (line.action, line.actor) == ("payout.redirect", "key:one")
    assert json.loads(line.after)["address"] == outside.address
    name = str(stopped.command_id)
    assert await actions(world.house.database, world.marketplace_id, target_id=name) == [
        "command.abandon"
    ]


async def test_a_party_who_can_be_paid_is_not_redirected(world: World, outside: Stranger) -> None:
    order = await world.funded()

    reason = await refusal(world, order, outside.address)
    done = await world.do(CommandKind.RELEASE, order)

    assert reason == "PAYEE_CAN_RECEIVE"
    assert done.state is CommandState.SUCCEEDED
    assert await world.balance(order.seller.address) == AMOUNT
    assert await refusal(world, order, outside.address) == "ESCROW_NOT_READY"


@pytest.mark.parametrize("flaw", CHANGES, ids=lambda flaw: flaw.value.lower())
async def test_redirected_address_is_replaced_only_if_the_network_refuses_to_pay_it(
    world: World, outside: Stranger, flaw: Flaw
) -> None:
    order, present = await world.funded(), await outsider(world)
    await redirect(world, order, present.address)
    await CHANGES[flaw](world, present)

    if flaw is Flaw.MEMO_REQUIRED:
        # A contract pays without a memo.
        assert await refusal(world, order, outside.address) == "PAYEE_CAN_RECEIVE"
    else:
        assert approver(await ask(world, order, outside.address)) == "rule"


async def test_address_whose_trustline_has_room_for_the_payout_is_not_replaced(
    world: World, outside: Stranger
) -> None:
    order, present = await world.funded(), await outsider(world)
    await redirect(world, order, present.address)
    # The account holds 1.00, and the contract keeps a provider fee of 0.24 of the 80.00.
    await present.send(ChangeTrust(present.asset, "80.76"))
    enough = await refusal(world, order, outside.address)
    await present.send(ChangeTrust(present.asset, "80.7599999"))

    assert enough == "PAYEE_CAN_RECEIVE"
    assert approver(await ask(world, order, outside.address)) == "rule"


async def test_merged_wallet_that_can_be_restored_is_not_redirected(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    change = "update wallets set state = %(state)s where id = %(id)s"
    for state, expected in (("MERGED", "PAYEE_CAN_RECEIVE"), ("ACTIVE", "")):
        async with world.house.database.transaction() as tx:
            await tx.execute(change, {"state": state, "id": order.seller.id})
        if expected:
            assert await refusal(world, order, outside.address) == expected
    assert approver(await ask(world, order, outside.address)) == "rule"


async def test_an_address_that_cannot_receive_is_refused(world: World, outside: Stranger) -> None:
    order, bare, frozen = await world.funded(), Stranger(world.devnet.info), await outsider(world)
    await freeze(world, order.seller.address)
    await freeze(world, frozen.address)
    await redirect(world, order, outside.address, party=BUYER)

    for address in (bare.address, frozen.address, order.buyer.address, outside.address):
        assert await refusal(world, order, address) == "PAYOUT_ADDRESS_INVALID", address


async def test_amount_above_the_approval_limit_needs_a_second_key(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    stopped = await refused_by_the_chain(world, CommandKind.RELEASE, order)

    proposed = [await ask(world, order, outside.address, hours=2) for _ in range(2)]
    waiting = await world.queries.command(
        marketplace_id=world.marketplace_id, command_id=stopped.command_id, wait_seconds=0
    )
    approved = await ask(world, order, outside.address, by="two", hours=2)
    done = await world.ended(await begun(world, CommandKind.RELEASE, order))

    assert [approver(one) for one in proposed] == ["", ""]
    # A proposal alone does not abandon the running command.
    assert (waiting.state, waiting.abandoned_why) == (CommandState.RUNNING, "")
    assert approver(approved) == "key:two"
    assert done.state is CommandState.SUCCEEDED
    told = await actions(world.house.database, world.marketplace_id, target_id=str(order.id))
    assert [one for one in told if one.startswith("payout.")] == [
        "payout.propose_redirect",
        "payout.approve_redirect",
    ]


async def test_operator_and_key_cannot_approve_each_others_proposals(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)

    by_operator = await ask_as_operator(world, order, outside.address, by="olga")
    by_key = await ask(world, order, outside.address, hours=2)
    again = await ask_as_operator(world, order, outside.address, by="olga")

    assert (by_operator.approved_by, approver(by_key), again.approved_by) == ("", "", "")
    assert (await ask_as_operator(world, order, outside.address, by="ben")).approved_by == "ben"


async def test_payout_that_may_still_land_is_not_abandoned(world: World, outside: Stranger) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    await world.pause_worker()
    try:
        asked = await begun(world, CommandKind.RELEASE, order)
        running = await refusal(world, order, outside.address)
        async with world.house.database.transaction() as tx:
            await tx.execute(
                "update commands set state = 'QUARANTINED', error_reason = 'QUARANTINED',"
                " quarantined_at = now() where id = %(id)s",
                {"id": asked.command_id},
            )
        quarantined = await refusal(world, order, outside.address)
    finally:
        await world.resume_worker()
    found = await world.queries.command(
        marketplace_id=world.marketplace_id, command_id=asked.command_id, wait_seconds=0
    )

    assert (running, quarantined) == ("COMMAND_IN_MOTION", "COMMAND_IN_MOTION")
    assert (found.state, found.abandoned_why) == (CommandState.QUARANTINED, "")


async def test_address_is_not_redirected_until_the_abandoned_payout_has_ended(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    stopped = await refused_by_the_chain(world, CommandKind.RELEASE, order)
    await world.pause_worker()
    try:
        early = await refusal(world, order, outside.address, wait=0, key="early")
        # The refusal does not depend on the query alone: the state of the command's row decides.
        ended = await world.queries.command(
            marketplace_id=world.marketplace_id, command_id=stopped.command_id, wait_seconds=0
        )

        async def said(**_: object) -> Command:
            return replace(ended, finished_at=ended.created_at)

        use = replace(world.house.by_rule(), ended=said)
        unproven = await refusal(world, order, outside.address, use=use)
    finally:
        await world.resume_worker()
    late = await ask(world, order, outside.address, key="early")

    assert (early, unproven) == ("COMMAND_IN_MOTION", "COMMAND_IN_MOTION")
    assert approver(late) == "rule"
    name = str(stopped.command_id)
    assert await actions(world.house.database, world.marketplace_id, target_id=name) == [
        "command.abandon"
    ]


async def test_an_order_of_another_marketplace_is_not_found(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()

    assert await refusal(world, replace(order, id=uuid.uuid4()), outside.address) == (
        "ESCROW_NOT_FOUND"
    )


async def test_lagging_node_is_no_proof_that_a_party_cannot_be_paid(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    chain = world.house.chain
    look = chain.recipient_view

    async def lagging(account: str) -> tuple[Any, int]:
        view, _ = await look(account)
        return view, 1

    async with replaced(chain, "recipient_view", lagging):
        early = await refusal(world, order, outside.address, key="lagging")
    late = await ask(world, order, outside.address, key="lagging")

    assert early == "PROVIDER_UNAVAILABLE"
    assert approver(late) == "rule"


async def test_payout_that_ends_during_the_check_is_not_in_motion(
    world: World, outside: Stranger
) -> None:
    order = await world.funded()
    await freeze(world, order.seller.address)
    stopped = await refused_by_the_chain(world, CommandKind.RELEASE, order)
    store, look = CommandStore(), CommandStore().unfinished

    async def ended_since(tx: Transaction, escrow: Escrow) -> Command | None:
        found = await look(tx, escrow)
        names = {"marketplace_id": world.marketplace_id, "command_id": stopped.command_id}
        await world.house.rulings().abandon(**names, ruling=Ruling(by="anna", why="It waits"))
        assert (await world.ended(stopped)).finished_at is not None
        return found

    async with replaced(store, "unfinished", ended_since):
        use = replace(world.house.by_rule(), store=store)
        answer = await ask(world, order, outside.address, use=use)

    assert approver(answer) == "rule"
