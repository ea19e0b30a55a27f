"""Lifetimes of contract data, in remaining ledgers, and when a contract extends them."""

import pytest
from stellar_sdk import scval

from devnet.chain import keys, rules
from devnet.chain.addresses import present
from devnet.chain.keys import Key
from devnet.soroban import escrow_storage
from tests.unit.devnet.world import IDENTITY, World, address, an_escrow

FRESH = rules.LIFETIMES["main"].least - 1
MOST = rules.MAX_TTL - 1
THRESHOLD = escrow_storage.THRESHOLD_LEDGERS


@pytest.fixture
def world() -> World:
    return World()


def escrow_key(contract: str) -> Key:
    return keys.contract_data(contract, escrow_storage.KEY, keys.PERSISTENT)


def left(world: World, key: Key) -> int:
    return present(present(world.view.get(key)).live_until) - world.view.sequence


def extend(world: World, contract: str, ledgers: int) -> str | None:
    args = [scval.to_address(address("platform")), scval.to_uint32(ledgers)]
    return world.call(contract, "extend_contract_ttl", args).error


def test_new_entries_have_the_minimum_lifetime(world: World) -> None:
    contract = world.deploy()

    assert left(world, keys.instance(contract)) == FRESH
    assert left(world, escrow_key(contract)) == FRESH


@pytest.mark.parametrize(
    ("remaining", "after"), [(THRESHOLD + 1, THRESHOLD + 1), (THRESHOLD, MOST)]
)
def test_a_write_extends_only_what_is_near_its_end(
    world: World, remaining: int, after: int
) -> None:
    contract = world.deploy()
    world.view.sequence += FRESH - remaining

    assert world.change_status(contract).error is None

    assert left(world, escrow_key(contract)) == after
    assert left(world, keys.instance(contract)) == remaining


@pytest.mark.parametrize(
    ("remaining", "ledgers", "after"),
    [
        (FRESH, 3_000_000, FRESH),
        (THRESHOLD, THRESHOLD, THRESHOLD),
        (100, 3_000_000, 3_000_000),
        (100, 2**32 - 1, MOST),
    ],
)
def test_the_platform_extends_what_is_near_its_end(
    world: World, remaining: int, ledgers: int, after: int
) -> None:
    contract = world.deploy()
    world.view.sequence += FRESH - remaining

    assert extend(world, contract, ledgers) is None

    assert left(world, escrow_key(contract)) == after


def test_extension_below_the_threshold_is_refused(world: World) -> None:
    assert extend(world, world.deploy(), THRESHOLD - 1) == "Error(Storage, InvalidInput)"


def test_an_extension_reads_the_entry_and_does_not_modify_it(world: World) -> None:
    contract = world.deploy()
    before = present(world.view.get(escrow_key(contract)))
    world.view.sequence += FRESH
    args = [scval.to_address(address("platform")), scval.to_uint32(3_000_000)]

    view = world.call(contract, "extend_contract_ttl", args).invocation.view

    after = present(world.view.get(escrow_key(contract)))
    assert escrow_key(contract) in view.read
    assert escrow_key(contract) not in view.written
    assert (after.data, after.modified) == (before.data, before.modified)


def test_asking_for_a_balance_extends_it_to_thirty_days(world: World) -> None:
    contract = world.funded()
    key = keys.balance(IDENTITY.usdc_contract, contract)
    assert left(world, key) == FRESH
    world.view.sequence += FRESH - 29 * 17_280

    world.held(contract)

    assert left(world, key) == 30 * 17_280


def test_the_asset_contract_keeps_its_instance_a_week(world: World) -> None:
    key = keys.instance(IDENTITY.usdc_contract)
    contract = world.deploy(an_escrow())
    world.view.sequence += left(world, key) - 6 * 17_280

    world.held(contract)

    assert left(world, key) == 7 * 17_280
