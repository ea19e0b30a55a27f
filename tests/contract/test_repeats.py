"""Every mutating RPC again: the same request id gives the same bytes, and changes nothing more."""

import asyncio
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from kernel.errors import Aborted, AlreadyExists
from tests.contract.builders import VALID
from tests.contract.city import WAYS, City, Way
from tests.contract.descriptors import MUTATING, label
from tests.contract.world import READY, World

each_mutating = pytest.mark.parametrize(("name", "method"), MUTATING, ids=label)
each_way = pytest.mark.parametrize("way", WAYS)


def encoded(message: Any) -> bytes:
    """Return the bytes of a message."""
    result: bytes = message.SerializeToString(deterministic=True)
    return result


@each_way
@each_mutating
async def test_the_same_request_gives_the_same_bytes(
    city: City, name: str, method: MethodDescriptor, way: Way
) -> None:
    world = World(city=city, way=way)
    request = await READY[name, method.name](world)

    first, was_replayed = await world.call_with_replay(name, method.name, request)
    again, is_replayed = await world.call_with_replay(name, method.name, request)

    assert encoded(again) == encoded(first)
    assert (was_replayed, is_replayed) == (False, True)


@each_way
@each_mutating
async def test_a_request_id_belongs_to_one_request(
    city: City, name: str, method: MethodDescriptor, way: Way
) -> None:
    world = World(city=city, way=way)
    request: Any = await READY[name, method.name](world)
    await world.call(name, method.name, request)
    other = VALID[name][method.name]()
    other.request_id = request.request_id
    before = city.rows(world.marketplace_id)

    with pytest.raises(AlreadyExists) as refusal:
        await world.call(name, method.name, other)

    assert refusal.value.reason == "IDEMPOTENCY_KEY_REUSED"
    assert city.rows(world.marketplace_id) == before


@each_mutating
async def test_the_same_request_many_times_at_once_is_one_change(
    city: City, name: str, method: MethodDescriptor
) -> None:
    world = World(city=city, way="socket")
    request = await READY[name, method.name](world)

    answers = await asyncio.gather(
        *(world.call_with_replay(name, method.name, request) for _ in range(5)),
        return_exceptions=True,
    )

    given = [answer for answer in answers if not isinstance(answer, BaseException)]
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len({encoded(response) for response, _ in given}) == 1
    assert [is_replayed for _, is_replayed in given].count(False) == 1
    assert all(
        isinstance(error, Aborted) and error.reason == "IDEMPOTENCY_KEY_IN_PROGRESS"
        for error in refused
    )
