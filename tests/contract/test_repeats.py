"""Every mutating RPC repeated: the same request id returns the same bytes and changes nothing."""

import asyncio
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from kernel.errors import Aborted, AlreadyExists
from tests.contract.builders import VALID
from tests.contract.city import WAYS, City, Way
from tests.contract.descriptors import MUTATING, label
from tests.contract.world import READY, World

# Tables whose rows only callers create. Other tables also grow while operations run.
IDENTITIES = {
    "orders.users",
    "orders.orders",
    "orders.credits",
    "orders.withdrawals",
    "ledger.accounts",
    "ledger.transfers",
    "ledger.corrections",
    "escrow.wallets",
    "escrow.escrows",
    "disputes.disputes",
    "webhooks.webhooks",
}
Worlds = dict[Way, World]


def identities(world: World, name: str) -> dict[str, int]:
    """Count the rows that callers created at one service; deposits of others are ignored."""
    counted = world.city.rows(world.marketplace_id)
    own = {table for table in IDENTITIES if table.startswith(f"{name}.")}
    return {table: count for table, count in counted.items() if table in own}


def encoded(message: Any) -> bytes:
    """Return the bytes of a message."""
    result: bytes = message.SerializeToString(deterministic=True)
    return result


@pytest.fixture(scope="session")
def worlds(city: City) -> Worlds:
    """One marketplace for each way of calling, separate from other tests."""
    return {way: World(city=city, way=way) for way in WAYS}


def test_every_mutating_rpc_is_tested() -> None:
    assert set(READY) == {(name, method.name) for name, method in MUTATING}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "method"), MUTATING, ids=label)
async def test_request_id_identifies_one_request_and_one_response(
    worlds: Worlds, name: str, method: MethodDescriptor, way: Way
) -> None:
    world = worlds[way]
    request = await READY[name, method.name](world)

    at_once = await asyncio.gather(
        *(world.call_with_replay(name, method.name, request) for _ in range(4)),
        return_exceptions=True,
    )
    [first] = [given[0] for given in at_once if isinstance(given, tuple) and not given[1]]
    again, is_replayed = await world.call_with_replay(name, method.name, request)
    made = identities(world, name)
    other = VALID[name][method.name]()
    other.request_id = request.request_id
    with pytest.raises(AlreadyExists) as refusal:
        await world.call(name, method.name, other)

    assert is_replayed
    assert encoded(again) == encoded(first)
    for given in at_once:
        if isinstance(given, tuple):
            assert encoded(given[0]) == encoded(first)
        else:
            assert isinstance(given, Aborted)
            assert given.reason == "IDEMPOTENCY_KEY_IN_PROGRESS"
    assert refusal.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert identities(world, name) == made
