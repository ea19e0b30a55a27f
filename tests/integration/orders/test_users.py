"""Registering users: the marketplace's own id names one user, whoever asks and how often."""

import asyncio
from typing import Any

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.ids import new_id
from services.orders.users import UserIdTaken, UserType
from tests.integration.orders.conftest import Shop, outcomes


async def _register(shop: Shop, external: str, **changes: Any) -> Answer:
    fields: dict[str, Any] = {"public_id": "", "email": "", "user_id": None}
    return await shop.registry.register(
        shop.key(), external_user_id=external, user_type=UserType.BOTH, **(fields | changes)
    )


@pytest.mark.parametrize("round_", range(5))
async def test_one_external_id_registered_at_once_is_one_user(
    two_shops: tuple[Shop, Shop], round_: int
) -> None:
    one, two = two_shops
    calls = [_register(shop, f"same{round_}") for shop in (one, two) for _ in range(4)]

    answers = await asyncio.gather(*calls)

    assert len({orders_pb2.User.FromString(answer.body).id for answer in answers}) == 1
    assert await one.count("users") == 1


async def test_the_same_user_with_the_same_chosen_ids_at_once_is_one_user(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    chosen = {"public_id": "usr_alice", "user_id": new_id()}
    calls = [_register(shop, "alice", **chosen) for shop in (one, two) for _ in range(4)]

    answers = await asyncio.gather(*calls)

    assert {orders_pb2.User.FromString(a.body).public_id for a in answers} == {"usr_alice"}
    assert await one.count("users") == 1


async def test_an_id_of_another_user_is_refused_to_all_but_the_first(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    calls = [
        _register(shop, f"user{index}", public_id="usr_wanted")
        for index, shop in enumerate((one, two, one, two))
    ]

    answers, refusals = await outcomes(*calls)

    assert len(answers) == 1
    assert {type(refusal) for refusal in refusals} == {UserIdTaken}
