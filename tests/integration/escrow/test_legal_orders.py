"""Orders whose fields are at their limits are deployed and paid with either builder."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.local.devnet import network_info
from kernel.money import CENT
from services.escrow.contracts import contract
from services.escrow.contracts.contract import Parties
from services.escrow.contracts.intents import DeployEscrow
from services.escrow.domain import CommandKind, CommandState, Terms
from services.escrow.ports import ChainRefused
from tests.conftest import RunningDevnet, TestDatabase
from tests.integration.escrow.conftest import running
from tests.integration.escrow.stellar_world import World as StellarWorld
from tests.integration.escrow.stellar_world import (
    devnet_without_limit,
    open_world,
    options_of,
    provider_of,
)
from tests.integration.escrow.world import World, new_escrow
from tests.unit.escrow.test_domain import escrow

# The largest amount of an order in the API, in minor units.
AMOUNT_MAX = 92_233_720_368_547 * CENT
PLAIN = Terms(amount=CENT, title="t", description="", milestones=("t",), platform_fee_bps=0)
WIDE = "\U0001f600"
EXTREMES = {
    "no description": {},
    "blank texts": {"title": " ", "description": "\n\t", "milestones": (" ",)},
    "longest texts": {
        "title": WIDE * 255,
        "description": WIDE * 4096,
        "milestones": (WIDE * 255,) * 50,
    },
    "fifty milestones": {"milestones": tuple("abcdefghij" * 5)},
    "control characters": {
        "title": "\x01\x7f\u200b",
        "description": "\r\n\x1b[31m\u2028",
        "milestones": ("\ufffe", "\u202eabc"),
    },
    "words of JSON": {
        "title": '"\\',
        "description": '{"a": [1]}',
        "milestones": ("null", "\\u0000"),
    },
    "spaces around": {"title": "  title ", "description": " words\n", "milestones": (" one ",)},
    "the dearest": {"amount": AMOUNT_MAX},
    "odd cents": {"amount": 123_456_789_01 * CENT},
    "the highest fee": {"platform_fee_bps": 9_900},
    "a fee of one point": {"amount": 7 * CENT, "platform_fee_bps": 1},
    "a fee of odd points": {"amount": 1_65 * CENT, "platform_fee_bps": 1_031},
}


@pytest.fixture(scope="module")
def info(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with devnet_without_limit(tmp_path_factory.mktemp("devnet")) as started:
        yield network_info(started.url)


@pytest.fixture(scope="module", params=["direct", "trustless_work"])
async def chain(
    info: dict[str, Any], request: pytest.FixtureRequest
) -> AsyncIterator[StellarWorld]:
    provider = provider_of(info) if request.param == "trustless_work" else None
    opened = await open_world(options_of(info), trustless_work=provider)
    yield opened
    await opened.close()


@pytest.mark.parametrize("changed", EXTREMES.values(), ids=EXTREMES)
async def test_order_with_a_field_at_its_limit_is_deployed_with_the_intended_terms(
    chain: StellarWorld, changed: dict[str, Any]
) -> None:
    meant = escrow(
        id=uuid.uuid4(),
        terms=replace(PLAIN, **changed),
        wasm_hash=chain.options.wasm_hash,
    )
    parties = Parties(
        buyer=chain.buyer, seller=chain.seller, platform=chain.platform, provider=chain.platform
    )
    intent = contract.deployment(meant, parties=parties, factory=chain.options.factory)
    assert isinstance(intent, DeployEscrow)

    await chain.perform(intent)

    shown = await chain.view(chain.chain.predict_contract_id(intent))
    assert chain.chain.is_deployed_as(shown, intent)


async def test_both_builders_build_the_same_funding_of_the_largest_order(
    chain: StellarWorld,
) -> None:
    shown = await chain.deployed(amount=AMOUNT_MAX)
    assert await chain.chain.request_asset(chain.buyer, amount=CENT)

    # The buyer has too little money; both builders refuse for this reason, and neither crashes.
    funding = chain.funding(shown, amount=AMOUNT_MAX)
    with pytest.raises(ChainRefused):
        await chain.sign(funding)


@pytest.fixture(scope="module")
async def provided(
    make_database: Callable[[], TestDatabase],
    devnet: RunningDevnet,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """A house that has the provider build its calls."""
    folder = tmp_path_factory.mktemp("escrow")
    settings = {
        "escrow_builder": "trustless_work",
        "trustless_work_url": devnet.info["trustlessWorkUrl"],
        "trustless_work_api_key": "devnet-key",
    }
    async with running(make_database(), devnet, folder, **settings) as made:
        yield made


async def test_eight_orders_without_a_description_do_not_block_other_commands(
    provided: World,
) -> None:
    order = await provided.order()
    others = [replace(order, id=uuid.uuid4(), escrow_id=uuid.uuid4()) for _ in range(8)]
    asks = [provided.asked(CommandKind.CREATE) for _ in others]
    for asked, other in zip(asks, others, strict=True):
        await provided.escrows.create(asked, replace(new_escrow(other), description=""))

    await provided.created(order)

    ended = await asyncio.gather(*(provided.ended(asked) for asked in asks))
    assert {command.state for command in ended} == {CommandState.SUCCEEDED}
