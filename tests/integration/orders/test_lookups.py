"""Lists of orders: every filter and sort, page by page, against looking at every order."""

import datetime as dt
import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orchestrator.common.v1 import common_pb2
from orchestrator.orders.v1 import orders_pb2

from chassis.wire import bound_token
from kernel.errors import InvalidArgument
from kernel.ids import new_id
from kernel.money import CENT
from services.orders import lists
from services.orders.lookups import store
from services.orders.people.users import UserType
from tests.conftest import TestDatabase
from tests.integration.orders.conftest import Peers, Shop, oid, open_shop
from tests.integration.orders.listing import (
    AMOUNTS,
    DAY,
    SIDES,
    Listed,
    asked,
    expected,
    ids,
    pages,
    stocked,
)

Stock = tuple[Shop, list[Listed]]
HOUR, MILLISECOND = dt.timedelta(hours=1), dt.timedelta(milliseconds=1)


def usdc(cents: int) -> common_pb2.Money:
    return common_pb2.Money(asset="USDC", minor_units=cents * CENT)


# Values of each filter: of some orders, of the edge of some, of none.
FILTERS: dict[str, list[Any]] = {
    "state": [orders_pb2.ORDER_STATE_DISPUTED, orders_pb2.ORDER_STATE_CLOSED],
    "buyer": [*SIDES, "usr_nobody"],
    "seller": [*SIDES],
    "client_order_ref": ["ref-1", "ref-7", "ref-none"],
    "created_from": [DAY + 3 * HOUR, DAY + 3 * HOUR + MILLISECOND, DAY + 99 * HOUR],
    "created_to": [DAY + 5 * HOUR, DAY + 5 * HOUR + MILLISECOND, DAY - HOUR],
    "amount": [usdc(500), usdc(499)],
    "amount_from": [usdc(cents) for cents in (*AMOUNTS, 9000)],
    "amount_to": [usdc(cents) for cents in (0, *AMOUNTS)],
    "text": ["logo", "Logo BLUE", "façade", "42 drafts", "logos", "in two drafts design"],
}
SORTS = [
    orders_pb2.ORDER_SORT_UNSPECIFIED,
    orders_pb2.ORDER_SORT_NEWEST,
    orders_pb2.ORDER_SORT_OLDEST,
    orders_pb2.ORDER_SORT_SMALLEST,
    orders_pb2.ORDER_SORT_LARGEST,
]
PAIRS = [*FILTERS, *itertools.combinations(FILTERS, 2)]
_LEISURE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
async def stock(make_database: Callable[[], TestDatabase]) -> AsyncIterator[Stock]:
    """A marketplace with orders of every kind, beside another one with the same."""
    database = make_database()
    async with (
        open_shop(database.url("orders"), Peers(), new_id()) as neighbour,
        open_shop(database.url("orders"), Peers(), new_id()) as shop,
    ):
        await stocked(neighbour, database.url())
        yield shop, await stocked(shop, database.url())
    database.drop()


@pytest.mark.parametrize("names", PAIRS, ids=str)
async def test_every_filter_and_pair_of_filters_lists_the_matching_orders(
    stock: Stock, names: str | tuple[str, ...]
) -> None:
    shop, made = stock
    named = (names,) if isinstance(names, str) else names
    for values in itertools.product(*(FILTERS[name] for name in named)):
        for sort in SORTS:
            fields = dict(zip(named, values, strict=True))
            request = orders_pb2.ListOrdersRequest(sort=sort, **fields)

            assert ids([await _whole(shop, request)]) == expected(made, request), fields


@_LEISURE
@given(
    fields=st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(values) for name, values in FILTERS.items()}
    ),
    sort=st.sampled_from(SORTS),
    size=st.integers(1, 7),
    looked_at=st.sampled_from([1, 2, 5, 10_000]),
)
async def test_pages_of_any_list_have_each_order_once(
    stock: Stock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    fields: dict[str, Any],
    sort: orders_pb2.OrderSort,
    size: int,
    looked_at: int,
) -> None:
    shop, made = stock
    monkeypatch.setattr(store, "LOOKED_AT", looked_at)
    monkeypatch.setattr(store, "LOOKED_AT_FOR_WORDS", looked_at)
    request = orders_pb2.ListOrdersRequest(sort=sort, **fields)

    found = await pages(shop, request, size=size)

    assert ids(found) == expected(made, request)
    assert all(len(page.orders) <= size for page in found)


async def test_a_page_looks_at_a_limited_number_of_orders(
    stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, made = stock
    monkeypatch.setattr(store, "LOOKED_AT", 4)
    request = orders_pb2.ListOrdersRequest(buyer=SIDES[0], amount_from=usdc(9000))

    found = await pages(shop, request, size=100)

    of_buyer = sum(one.buyer == SIDES[0] for one in made)
    assert ids(found) == []
    assert len(found) == of_buyer // 4 + 1


@pytest.mark.parametrize("sort", [orders_pb2.ORDER_SORT_NEWEST, orders_pb2.ORDER_SORT_SMALLEST])
async def test_pages_hold_each_order_once_while_others_are_created(
    shop: Shop, sort: orders_pb2.OrderSort
) -> None:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    made = [oid(await shop.order(amount=usdc(cents).minor_units)) for cents in (3, 3, 2, 1, 4, 3)]
    request = orders_pb2.ListOrdersRequest(sort=sort, buyer="usr_buyer")

    seen: list[uuid.UUID] = []
    token = "go"
    while token:
        token = "" if token == "go" else token
        request.page.CopyFrom(common_pb2.PageRequest(page_size=2, page_token=token))
        page = await asked(shop, request)
        seen += ids([page])
        token = page.next_page_token
        if len(seen) < 12:
            await shop.order(amount=usdc(3).minor_units)

    assert len(set(seen)) == len(seen)
    assert [one for one in seen if one in made] == (
        made[::-1]
        if sort == orders_pb2.ORDER_SORT_NEWEST
        else [made[i] for i in (3, 2, 0, 1, 5, 4)]
    )


async def test_cursor_is_valid_for_its_filters_and_sort_only(stock: Stock) -> None:
    shop, _ = stock
    requests = [
        orders_pb2.ListOrdersRequest(**fields)
        for fields in (
            {},
            {"seller": SIDES[0]},
            {"seller": SIDES[1]},
            {"amount_from": usdc(1)},
            {"sort": orders_pb2.ORDER_SORT_OLDEST},
            {"sort": orders_pb2.ORDER_SORT_SMALLEST},
            {"sort": orders_pb2.ORDER_SORT_LARGEST},
        )
    ]
    page = common_pb2.PageRequest(page_size=2)
    tokens = []
    for request in requests:
        request.page.CopyFrom(page)
        tokens.append((await asked(shop, request)).next_page_token)

    for (own, request), (other, token) in itertools.product(enumerate(requests), enumerate(tokens)):
        request.page.page_token = token
        if own == other:
            assert (await asked(shop, request)).orders
        else:
            with pytest.raises(InvalidArgument) as refusal:
                lists.after(request)
            assert [name for name, _ in refusal.value.fields] == ["cursor"]


@pytest.mark.parametrize(
    "place", ["", "x", "-1:{id}", "1:x", "{id}", "1:{id}:", "9" * 19 + ":{id}"]
)
def test_cursor_with_an_invalid_position_is_refused(place: str) -> None:
    request = orders_pb2.ListOrdersRequest(sort=orders_pb2.ORDER_SORT_LARGEST)
    text = place.replace("{id}", str(new_id()))
    request.page.page_token = bound_token(text, request)

    with pytest.raises(InvalidArgument):
        lists.after(request)


@pytest.mark.parametrize("field", ["created_from", "created_to"])
@pytest.mark.parametrize("seconds", [-(10**15), 10**15])
def test_instant_outside_the_calendar_is_refused(field: str, seconds: int) -> None:
    request = orders_pb2.ListOrdersRequest()
    getattr(request, field).seconds = seconds

    with pytest.raises(InvalidArgument) as refusal:
        lists.chosen(request)

    assert [name for name, _ in refusal.value.fields] == [field]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("year", [1, 9999])
async def test_extreme_instants_and_amounts_are_valid_filters(
    stock: Stock, sort: orders_pb2.OrderSort, year: int
) -> None:
    shop, made = stock
    at = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    most = common_pb2.Money(asset="USDC", minor_units=2**63 - 1)
    for fields in ({"created_from": at}, {"created_to": at}, {"amount_to": most}, {"amount": most}):
        request = orders_pb2.ListOrdersRequest(sort=sort, **fields)

        assert ids([await _whole(shop, request)]) == expected(made, request)


async def test_users_are_found_by_name_and_email_address(shop: Shop) -> None:
    spelled = str(uuid.uuid4())
    people = [("ada", "a@shop.example"), ("Ada", "A@Shop.example"), (spelled, ""), ("bo", "")]
    known = []
    for external, email in people:
        answer = await shop.registry.register(
            shop.key(),
            external_user_id=external,
            public_id="",
            email=email,
            user_type=UserType.BOTH,
            user_id=None,
        )
        known.append(uuid.UUID(orders_pb2.User.FromString(answer.body).id))

    async def found(external: str = "", email: str = "", size: int = 9) -> list[uuid.UUID]:
        request = orders_pb2.ListUsersRequest(external_user_id=external, email=email)
        seen: list[uuid.UUID] = []
        while not seen or request.page.page_token:
            users = await shop.registry.page(
                marketplace_id=shop.marketplace_id,
                external_user_id=external,
                email=email,
                after=lists.user_after(request),
                limit=size + 1,
            )
            page = lists.users(request, users, limit=size)
            seen += [uuid.UUID(user.id) for user in page.users]
            request.page.page_token = page.next_page_token
            if not seen:
                break
        return seen

    assert await found("ada") == [known[0]]
    assert await found(spelled.upper()) == [known[2]]
    assert await found("nobody") == []
    assert await found(email="a@SHOP.example") == [known[1], known[0]]
    assert await found(email="a@SHOP.example", size=1) == [known[1], known[0]]
    assert await found("ada", "a@shop.example") == [known[0]]
    assert await found("bo", "a@shop.example") == []
    assert await found(size=1) == known[::-1]


def test_cursor_of_users_is_valid_for_its_filters_only() -> None:
    asked_for = orders_pb2.ListUsersRequest(email="a@shop.example")
    token = bound_token(str(new_id()), asked_for)
    for request in (
        orders_pb2.ListUsersRequest(),
        orders_pb2.ListUsersRequest(external_user_id="ada"),
        orders_pb2.ListUsersRequest(email="b@shop.example"),
    ):
        request.page.page_token = token
        with pytest.raises(InvalidArgument):
            lists.user_after(request)


async def _whole(
    shop: Shop, request: orders_pb2.ListOrdersRequest
) -> orders_pb2.ListOrdersResponse:
    request.page.page_size = 100
    return await asked(shop, request)
