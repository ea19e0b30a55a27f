"""Registering users: a marketplace's own id names one user, however often it is registered."""

import asyncio
import datetime as dt
import uuid
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from orchestrator.orders.v1 import orders_pb2

from chassis.idempotency import Answer
from kernel.errors import FailedPrecondition, InvalidArgument
from kernel.ids import new_id, to_public
from services.orders.order.domain import UserName
from services.orders.people import registry as people
from services.orders.people.users import UserIdTaken, UserType
from tests.integration.orders.conftest import Shop, outcomes
from tests.patience import PATIENCE_SECONDS


async def _register(shop: Shop, external: str, **changes: Any) -> Answer:
    fields: dict[str, Any] = {"public_id": "", "email": "", "user_id": None}
    return await shop.registry.register(
        shop.key(), external_user_id=external, user_type=UserType.BOTH, **(fields | changes)
    )


async def _nothing(*_arguments: object, **_more: object) -> None:
    """Make neither account nor wallet: the clock of the test stands."""


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


async def test_a_uuid_as_external_id_is_one_user_in_any_case_of_letters(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, two = two_shops
    name = str(uuid.uuid4())
    calls = [
        _register(shop, spelled)
        for spelled in (name, name.upper(), name.title())
        for shop in (one, two)
    ]

    answers = await asyncio.gather(*calls)

    assert len({orders_pb2.User.FromString(answer.body).id for answer in answers}) == 1
    assert await one.count("users") == 1


async def test_another_external_id_in_another_case_is_another_user(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, _ = two_shops

    for name in ("alice", "Alice"):
        await _register(one, name)

    assert await one.count("users") == 2


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
async def test_a_user_is_found_by_a_uuid_used_as_external_id(
    two_shops: tuple[Shop, Shop], spelling: Any
) -> None:
    one, _ = two_shops
    name = str(uuid.uuid4())
    registered = orders_pb2.User.FromString((await _register(one, name)).body)

    found = await one.registry.get(marketplace_id=one.marketplace_id, ref=spelling(name))

    assert str(found.id) == registered.id
    assert found.external_user_id == name


@pytest.mark.parametrize(
    "spelled", [str, lambda name: str(name).upper(), partial(to_public, "usr")]
)
async def test_no_spelling_of_a_users_id_can_name_another_user(
    two_shops: tuple[Shop, Shop], spelled: Any
) -> None:
    one, two = two_shops
    alice = uuid.UUID(orders_pb2.User.FromString((await _register(one, "alice")).body).id)
    name = spelled(alice)
    assert (await one.registry.get(marketplace_id=one.marketplace_id, ref=name)).id == alice

    with pytest.raises(InvalidArgument):
        await _register(two, "bob", public_id=name)
    with pytest.raises(UserIdTaken):
        await _register(two, name)
    await _register(two, "bob")

    for shop in two_shops:
        assert (await shop.registry.get(marketplace_id=one.marketplace_id, ref=name)).id == alice
    assert await one.count("users") == 2


async def test_a_public_id_may_not_spell_the_uuid_of_a_future_user(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, _ = two_shops
    to_come = uuid.uuid4()

    for name in (str(to_come), to_public("usr", to_come), to_public("usr", uuid.UUID(int=0))):
        with pytest.raises(InvalidArgument) as refused:
            await _register(one, "bob", public_id=name)
        assert [field for field, _ in refused.value.fields] == ["public_id"]
    for name in ("usr_buyer123", f"usr_{'z' * 22}", to_public("ord", to_come)):
        await _register(one, name, public_id=name)

    assert await one.count("users") == 3


async def test_uuid_used_as_external_id_cannot_become_another_users_id(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, _ = two_shops
    name = uuid.uuid4()
    bob = orders_pb2.User.FromString((await _register(one, str(name).upper())).body)

    with pytest.raises(UserIdTaken):
        await _register(one, "alice", user_id=name)

    assert str((await one.registry.get(marketplace_id=one.marketplace_id, ref=str(name))).id) == (
        bob.id
    )


async def test_registering_a_user_again_answers_the_same_id(two_shops: tuple[Shop, Shop]) -> None:
    one, _ = two_shops
    alice = orders_pb2.User.FromString((await _register(one, "alice")).body)

    again = orders_pb2.User.FromString(
        (await _register(one, "alice", public_id=alice.public_id)).body
    )

    assert again.id == alice.id


async def test_an_order_shows_the_business_under_the_id_in_its_token(
    two_shops: tuple[Shop, Shop],
) -> None:
    one, _ = two_shops
    subject = str(uuid.uuid4())
    await one.user("usr_buyer")
    registered = orders_pb2.User.FromString((await _register(one, subject)).body)

    order = await one.order(seller=subject)

    assert order.seller.id == registered.id


async def test_users_are_listed_newest_first(
    two_shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two_shops
    # Subjects of tokens, in an order that is not theirs; the last three come at one instant.
    ids = [uuid.UUID(int=number << 120) for number in (7, 2, 9, 1, 8, 3)]
    instants = [dt.datetime(2026, 2, day, tzinfo=dt.UTC) for day in (1, 2, 3, 4, 4, 4)]
    clock = iter(instants)
    monkeypatch.setattr(one.registry, "_clock", SimpleNamespace(now=lambda: next(clock)))
    monkeypatch.setattr(one.registry, "provision", _nothing)
    for index, user_id in enumerate(ids):
        await _register(one, f"user{index}", user_id=user_id)
    expected = [*sorted(ids[3:], reverse=True), *ids[2::-1]]

    seen: list[uuid.UUID] = []
    while True:
        page = await one.registry.page(
            marketplace_id=one.marketplace_id,
            external_user_id="",
            email="",
            after=seen[-1] if seen else None,
            limit=2,
        )
        seen += [user.id for user in page]
        if not page:
            break

    assert seen == expected


async def test_a_user_who_cannot_be_provisioned_blocks_no_other(
    two_shops: tuple[Shop, Shop], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = two_shops
    one.peers.escrow.is_away = True
    for name in ("first", "second", "third"):
        await _register(one, name, public_id=name)
    one.peers.escrow.is_away = False
    first = await one.registry.get(marketplace_id=one.marketplace_id, ref="first")
    create_wallet = one.peers.escrow.create_wallet

    async def all_but_the_first(*, user: UserName, wait_seconds: int) -> str:
        if user.id == first.id:
            raise FailedPrecondition("the wallet cannot be made")
        return await create_wallet(user=user, wait_seconds=wait_seconds)

    monkeypatch.setattr(one.registry, "_escrow", SimpleNamespace(create_wallet=all_but_the_first))

    rounds = [await one.registry.provision_waiting(limit=1) for _ in range(4)]

    assert rounds == [1, 1, 1, 0]
    for name, is_ready in (("first", False), ("second", True), ("third", True)):
        user = await one.registry.get(marketplace_id=one.marketplace_id, ref=name)
        assert user.is_provisioned is is_ready
    assert await one.registry.provision_waiting(limit=1) == 1


async def test_user_without_a_wallet_is_provisioned_soon_after_the_failure(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(people, "SELDOM_SECONDS", 10 * PATIENCE_SECONDS)
    rounds = asyncio.Queue[int]()
    provision_waiting = shop.registry.provision_waiting

    async def counted() -> int:
        count = await provision_waiting()
        rounds.put_nowait(count)
        return count

    monkeypatch.setattr(shop.registry, "provision_waiting", counted)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as running:
        keeping = running.create_task(shop.registry.keep_provisioned())
        assert await rounds.get() == 0
        # It rests now.
        shop.peers.escrow.is_away = True
        await _register(shop, "late", public_id="late")
        assert await rounds.get() == 1
        shop.peers.escrow.is_away = False
        while await rounds.get():
            pass
        keeping.cancel()

    user = await shop.registry.get(marketplace_id=shop.marketplace_id, ref="late")
    assert user.is_provisioned
