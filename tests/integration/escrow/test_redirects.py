"""Redirections: two operators decide that a party is paid at another of their addresses."""

import asyncio
import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from kernel.errors import DomainError
from services.escrow import wire
from services.escrow.contracts.steps import StepName
from services.escrow.domain import CommandKind, CommandState, PayeeRole
from services.escrow.operating import redirect_store
from services.escrow.operating.redirect_store import Redirect
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_denials import begun
from tests.integration.escrow.test_rulings import abandoned
from tests.integration.escrow.test_setbacks import resting
from tests.integration.escrow.world import AMOUNT, Order, World, post
from tests.lines import lines

UNIT = 10_000_000
SELLER, BUYER = PayeeRole.SELLER, PayeeRole.BUYER


async def ask(
    world: World, order: Order, address: str, *, by: str, party: PayeeRole = SELLER
) -> Redirect:
    """Ask as one operator."""
    return await world.house.redirects().redirect(
        marketplace_id=world.marketplace_id,
        order_id=order.id,
        party=party,
        address=address,
        why="the wallet is frozen",
        by=by,
    )


async def redirect(world: World, order: Order, address: str, *, party: PayeeRole = SELLER) -> None:
    """Redirect as two operators."""
    await ask(world, order, address, by="olga", party=party)
    assert (await ask(world, order, address, by="ben", party=party)).approved_by == "ben"


@pytest.fixture(scope="module")
async def house(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house whose transactions may land for a second only."""
    folder = tmp_path_factory.mktemp("escrow")
    async with running(make_database(), devnet, folder, transaction_seconds=1) as made:
        yield made


@pytest.fixture(scope="module")
async def outside(house: World) -> Stranger:
    """An account of a party, elsewhere."""
    made = Stranger(house.devnet.info)
    await made.come(amount="1.00")
    return made


async def freeze(world: World, address: str) -> None:
    """Let the issuer freeze a wallet."""
    body = {"action": "freeze", "address": address}
    await asyncio.to_thread(post, f"{world.devnet.url}/issuer", body)


@pytest.mark.parametrize(
    ("kind", "party", "step"),
    [
        (CommandKind.RELEASE, SELLER, StepName.RELEASE_FUNDS),
        (CommandKind.REFUND, BUYER, StepName.RESOLVE_DISPUTE),
    ],
)
async def test_payout_to_a_frozen_wallet_is_paid_to_the_redirected_address(
    house: World, outside: Stranger, kind: CommandKind, party: PayeeRole, step: StepName
) -> None:
    order = await house.funded()
    wallet = order.seller if party is SELLER else order.buyer
    left = await house.balance(wallet.address)
    had = await house.balance(outside.address)
    await freeze(house, wallet.address)
    asked = await begun(house, kind, order)
    waiting = await resting(house, asked.command_id)
    assert (waiting.step, waiting.error_reason) == (step, "CHAIN_REFUSED")
    with pytest.raises(DomainError) as in_motion:
        await ask(house, order, outside.address, by="olga", party=party)

    await abandoned(house, asked)
    ended = await house.ended(asked)
    assert (ended.state, ended.error_reason) == (CommandState.FAILED, "ABANDONED")
    await redirect(house, order, outside.address, party=party)
    done = await house.ended(await begun(house, kind, order))

    assert in_motion.value.reason == "COMMAND_IN_MOTION"
    assert done.state is CommandState.SUCCEEDED
    assert await house.balance(outside.address) == had + AMOUNT
    assert await house.balance(wallet.address) == left
    assert done.escrow is not None
    assert await house.balance(done.escrow.contract_id) == 0
    told = [(one.payee, one.amount.minor_units) for one in wire.command(done).payments]
    paid = [one for one in wire.command(done).payments if one.redirected]
    assert {one.to_address for one in paid} == {outside.address}
    assert sum(one.amount.minor_units for one in paid) == AMOUNT, told


async def test_one_operator_alone_cannot_redirect(house: World, outside: Stranger) -> None:
    order = await house.funded()

    first, again = [await ask(house, order, outside.address, by="olga") for _ in range(2)]
    other = await ask(house, order, outside.address, by="ben", party=BUYER)
    done = await house.do(CommandKind.RELEASE, order)

    assert first == again
    assert {first.approved_by, other.approved_by} == {""}
    assert await house.balance(order.seller.address) == AMOUNT
    assert [one.redirected for one in wire.command(done).payments] == [False] * len(done.payments)
    with pytest.raises(DomainError) as ended:
        await ask(house, order, outside.address, by="ben")
    assert ended.value.reason == "ESCROW_NOT_READY"


async def test_redirection_by_two_operators_is_in_the_audit_trail(
    house: World, outside: Stranger
) -> None:
    order = await house.funded()

    await redirect(house, order, outside.address)

    told = await lines(house.house.database, house.marketplace_id, target_id=str(order.id))
    found = [line for line in told if line.action.startswith("payout.")]
    assert [line.action for line in found] == [
        "payout.propose_redirect",
        "payout.approve_redirect",
    ]
    assert {json.loads(line.after)["address"] for line in found} == {outside.address}


async def test_an_expired_proposal_is_not_approved(
    house: World, outside: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await house.funded()
    monkeypatch.setattr(redirect_store, "LIFETIME", dt.timedelta(0))

    await ask(house, order, outside.address, by="olga")
    late = await ask(house, order, outside.address, by="ben")

    assert (late.proposed_by, late.approved_by) == ("ben", "")


async def test_address_that_cannot_receive_a_payout_is_refused(
    house: World, outside: Stranger
) -> None:
    order = await house.funded()
    bare = Stranger(house.devnet.info)
    frozen = Stranger(house.devnet.info)
    await frozen.come(amount="1.00")
    await freeze(house, frozen.address)
    platform = (await house.house.keyring.platform()).address
    escrow = await house.queries.escrow(marketplace_id=house.marketplace_id, order_id=order.id)
    await redirect(house, order, outside.address, party=BUYER)
    refused = (
        bare.address,
        frozen.address,
        platform,
        order.seller.address,
        order.buyer.address,
        escrow.contract_id,
        outside.address,
        house.house.settings.usdc_issuer,
        house.house.settings.trustless_work_fee_address,
    )

    for address in refused:
        with pytest.raises(DomainError) as refusal:
            await ask(house, order, address, by="olga")
        assert refusal.value.reason == "PAYOUT_ADDRESS_INVALID", address


async def test_an_order_of_another_marketplace_is_not_found(
    house: World, outside: Stranger
) -> None:
    order = await house.funded()

    with pytest.raises(DomainError) as refusal:
        await house.house.redirects().redirect(
            marketplace_id=uuid.uuid4(),
            order_id=order.id,
            party=SELLER,
            address=outside.address,
            why="it is not theirs",
            by="olga",
        )

    assert refusal.value.reason == "ESCROW_NOT_FOUND"
