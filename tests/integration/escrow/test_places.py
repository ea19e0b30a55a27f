"""Third parties occupy a contract's id or factory: the order gets its contract at another id."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from stellar_sdk import Keypair, scval, xdr
from structlog.testing import capture_logs

from services.escrow.contracts import contract
from services.escrow.contracts.contract import Parties
from services.escrow.contracts.intents import DeployEscrow
from services.escrow.domain import CommandKind, Escrow
from services.escrow.stellar.blueprint import Blueprints
from services.escrow.stellar.contract import Contracts
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import Stranger
from tests.integration.escrow.test_faults import is_quarantined
from tests.integration.escrow.world import AMOUNT, Order, World, new_escrow, succeeded

DEPLOY, INITIALIZE = "tw_new_single_release_escrow", "initialize_escrow"
Make = Callable[[], TestDatabase]


@pytest.fixture(scope="module")
async def stranger(world: World) -> Stranger:
    """A third party that attacks orders."""
    made = Stranger(world.devnet.info)
    await made.come(amount="1.00")
    return made


def args_of(world: World, intent: DeployEscrow) -> list[xdr.SCVal]:
    """Return the arguments of a deployment's call."""
    options = world.house.chain._options  # type: ignore[attr-defined] # the network's
    asset = Blueprints(options=options).asset_contract
    known = Contracts(options=options, asset_contract=asset)
    return list(known.of(intent.wasm_hash).call(intent).args)


async def accepted(world: World, order: Order) -> tuple[Any, Escrow, DeployEscrow]:
    """Have an order's escrow accepted, and not deployed yet; returns it with its deployment."""
    await world.pause_worker()
    asked = world.asked(CommandKind.CREATE)
    await world.escrows.create(asked, new_escrow(order))
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    parties = Parties(
        buyer=order.buyer.address,
        seller=order.seller.address,
        platform=(await world.house.keyring.platform()).address,
        provider=world.house.settings.trustless_work_fee_address,
        resolver=escrow.resolver,
    )
    factory = world.house.settings.escrow_factory_id
    return asked, escrow, contract.deployment(escrow, parties=parties, factory=factory)


async def is_paid(world: World, order: Order) -> None:
    """Fund an order's contract and pay it out."""
    await world.do(CommandKind.FUND, order)
    await world.do(CommandKind.RELEASE, order)
    assert await world.balance(order.seller.address) == AMOUNT


async def test_salts_of_two_orders_are_unpredictable(world: World) -> None:
    orders = [await world.order(), await world.order()]
    salts = set()
    for order in orders:
        asked, escrow, _ = await accepted(world, order)
        await world.resume_worker()
        succeeded(await world.ended(asked))
        salts |= {escrow.salt, contract.salt(replace(escrow, salt=b""))}

    assert len(salts) == 4
    assert {len(salt) for salt in salts} == {32}


@pytest.mark.parametrize("change", ["roles", "status", "no escrow"])
async def test_contract_id_occupied_by_a_third_party_is_replaced_by_another_salt(
    world: World, stranger: Stranger, change: str
) -> None:
    order = await world.order()
    asked, before, meant = await accepted(world, order)
    squatting = replace(meant, signer=stranger.address)
    if change == "roles":
        roles = replace(meant.roles, receiver=stranger.address)
        squatting = replace(squatting, roles=roles)
    args = args_of(world, squatting)
    if change == "status":
        args[4] = scval.to_vec([_with_status(args[4])])
    if change == "no escrow":
        args[3], args[4] = scval.to_symbol("get_multiple_escrow_balances"), _nobody()
    await stranger.call(meant.factory, DEPLOY, args)

    with capture_logs() as logs:
        await world.resume_worker()
        succeeded(await world.ended(asked))

    assert [line for line in logs if line["event"] == "escrow.place_taken"] != []
    after = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    assert (after.deployment, after.contract_id == before.contract_id) == (2, False)
    await is_paid(world, order)


def _with_status(init: xdr.SCVal) -> xdr.SCVal:
    """Return an escrow whose milestone has a status from the beginning."""
    [value] = scval.from_vec(init)
    fields = scval.from_struct(value)
    [milestone] = scval.from_vec(fields["milestones"])
    changed = {**scval.from_struct(milestone), "status": scval.to_string("whatever")}
    fields["milestones"] = scval.to_vec([scval.to_struct(changed)])
    return scval.to_struct(fields)


def _nobody() -> xdr.SCVal:
    return scval.to_vec([scval.to_vec([])])


async def factory_of(world: World, stranger: Stranger) -> str:
    """Make another factory: an instance of the code that holds no escrow."""
    order = await world.order()
    _, _, meant = await accepted(world, order)
    await world.resume_worker()
    intent = replace(meant, signer=stranger.address, salt=uuid.uuid4().bytes * 2)
    args = args_of(world, intent)
    args[3], args[4] = scval.to_symbol("get_multiple_escrow_balances"), _nobody()
    await stranger.call(meant.factory, DEPLOY, args)
    return world.house.chain.predict_contract_id(intent)


@asynccontextmanager
async def house(
    make_database: Make, devnet: RunningDevnet, folder: Any, **settings: str
) -> AsyncIterator[World]:
    async with running(make_database(), devnet, folder, **settings) as made:
        yield made


async def test_order_is_deployed_with_the_spare_factory_if_the_first_is_unusable(
    world: World,
    stranger: Stranger,
    make_database: Make,
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    first = await factory_of(world, stranger)
    settings = {
        "escrow_factory_id": first,
        "escrow_spare_factory_ids": str(devnet.info["factoryId"]),
    }
    folder = tmp_path_factory.mktemp("escrow")
    async with house(make_database, devnet, folder, **settings) as own:
        await own.created(await own.order())
        order = await own.order()
        asked, _, meant = await accepted(own, order)
        init = args_of(own, meant)[4]
        await stranger.call(first, INITIALIZE, scval.from_vec(init))

        with capture_logs() as logs:
            await own.resume_worker()
            succeeded(await own.ended(asked))

        assert [line for line in logs if line["event"] == "escrow.factory_unusable"] != []
        await is_paid(own, order)
        with capture_logs() as logs:
            await own.house.keeper().look()
        alarms = [line for line in logs if line["event"] == "escrow.factory_unusable"]
        assert [line["factory"] for line in alarms] == [first]


async def test_contract_changed_after_its_deployment_is_not_funded(
    make_database: Make,
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    platform = Stranger(devnet.info, secret=Keypair.random().secret)
    settings = {"platform_secret": platform.secret}
    folder = tmp_path_factory.mktemp("escrow")
    async with house(make_database, devnet, folder, **settings) as own:
        order = await own.order()
        await own.created(order)
        escrow = await own.queries.escrow(marketplace_id=own.marketplace_id, order_id=order.id)
        view = await own.house.chain.read_escrow(escrow.contract_id)
        assert view is not None
        await platform.call(escrow.contract_id, "update_escrow", _redirected(platform, view.raw))

        asked = own.asked(CommandKind.FUND)
        await own.escrows.fund(asked, order_id=order.id)
        await own.until(asked.command_id, is_quarantined)

        assert await own.balance(escrow.contract_id) == 0


def _redirected(platform: Stranger, raw: bytes) -> Sequence[xdr.SCVal]:
    """Return the arguments that make the platform the receiver of an escrow."""
    fields = scval.from_struct(xdr.SCVal.from_xdr_bytes(raw))
    roles = scval.from_struct(fields["roles"])
    roles["receiver"] = scval.to_address(platform.address)
    fields["roles"] = scval.to_struct(roles)
    return [scval.to_address(platform.address), scval.to_struct(fields)]
