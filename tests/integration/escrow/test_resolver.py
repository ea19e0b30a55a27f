"""Disputed contracts are resolved with a separate key, where the settings give one."""

from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import SecretStr
from stellar_sdk import Keypair

from services.escrow.contracts.steps import StepName
from services.escrow.domain import CommandKind
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.strangers import inside
from tests.integration.escrow.test_faults import attempts_of
from tests.integration.escrow.world import AMOUNT, World, usdc

SECRET = Keypair.random().secret


@pytest.fixture(scope="module", name="world")
async def with_a_resolver(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house with a separate resolver key."""
    folder = tmp_path_factory.mktemp("escrow")
    secret = SecretStr(SECRET)
    async with running(make_database(), devnet, folder, resolver_secret=secret) as made:
        yield made


async def test_disputed_contract_is_resolved_with_the_resolver_key(world: World) -> None:
    order = await world.funded()
    platform = (await world.house.keyring.platform()).address
    resolver = (await world.house.keyring.resolver()).address
    escrow = await world.queries.escrow(marketplace_id=world.marketplace_id, order_id=order.id)
    view = await world.house.chain.read_escrow(escrow.contract_id)
    assert view is not None
    assert (view.roles.dispute_resolver, view.roles.platform) == (resolver, platform)
    assert resolver == Keypair.from_secret(SECRET).public_key != platform

    await world.do(CommandKind.FREEZE, order)
    half = usdc(AMOUNT // 2)
    await world.do(CommandKind.RESOLVE, order, seller=half, buyer=half)

    [sent] = await attempts_of(world, order, StepName.RESOLVE_DISPUTE)
    found = await world.house.chain.find(sent.hash)
    assert found is not None
    assert _who_calls(world, found.envelope_xdr) == resolver
    assert await world.balance(order.seller.address) == AMOUNT // 2


def _who_calls(world: World, text: str) -> str:
    passphrase = world.house.settings.stellar_network_passphrase
    source = inside(text, passphrase).transaction.operations[0].source
    assert source is not None
    return source.account_id


async def test_resolver_key_other_than_the_stored_one_is_refused(world: World) -> None:
    stored = (await world.house.keyring.resolver()).address

    with pytest.raises(ValueError, match=stored):
        await world.house.keyring.ensure_platform(secret=None, resolver=Keypair.random().secret)

    assert (await world.house.keyring.resolver()).address == stored


async def test_platform_key_resolves_when_no_resolver_key_is_configured(impatient: World) -> None:
    order = await impatient.funded()
    platform = (await impatient.house.keyring.platform()).address
    escrow = await impatient.queries.escrow(
        marketplace_id=impatient.marketplace_id, order_id=order.id
    )
    view = await impatient.house.chain.read_escrow(escrow.contract_id)

    assert (await impatient.house.keyring.resolver()).address == platform
    assert view is not None
    assert view.roles.dispute_resolver == platform
