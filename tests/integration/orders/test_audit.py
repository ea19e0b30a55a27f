"""The audit lines of commands: each is in the transaction of its change and names its actor."""

import datetime as dt

import psycopg
import pytest
from psycopg.errors import CheckViolation

from chassis.audit import Line
from kernel.ids import to_public
from services.orders.lookups.filters import Filter, Sort
from services.orders.operations.postings import InsufficientFunds
from services.orders.order.domain import Party, State
from tests import lines as trail
from tests import passing
from tests.integration.orders.conftest import Shop, oid

FORBID = "alter table orders.audit add constraint forbidden check (action <> '{}') not valid"
ALLOW = "alter table orders.audit drop constraint forbidden"


async def lines(shop: Shop, **chosen: str) -> list[Line]:
    return (await trail.lines(shop.database, shop.marketplace_id, **chosen))[::-1]


def forbid(postgres_admin: str, action: str) -> None:
    with psycopg.connect(postgres_admin, autocommit=True) as connection:
        connection.execute(FORBID.format(action))


def allow(postgres_admin: str) -> None:
    with psycopg.connect(postgres_admin, autocommit=True) as connection:
        connection.execute(ALLOW)


async def test_actions_of_the_clock_name_the_clock_as_actor(
    shop: Shop, postgres_admin: str
) -> None:
    order = await shop.running_order()
    await shop.service.deliver(shop.ask(), order_id=oid(order), notes="", url="", user_id=None)
    passing.for_orders(postgres_admin, dt.timedelta(days=7))

    await shop.timers.meet_deadlines()

    await shop.until(order, State.CLOSED)
    name = to_public("ord", oid(order))
    found = {line.action: (line.actor, line.role) for line in await lines(shop, target_id=name)}
    assert found["order.release"] == ("clock", "clock")
    assert found["order.deliver"] == ("key:test", "marketplace")


async def test_an_order_whose_line_cannot_be_written_is_not_created(
    shop: Shop, postgres_admin: str
) -> None:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    forbid(postgres_admin, "order.create")

    with pytest.raises(CheckViolation):
        await shop.order()

    allow(postgres_admin)
    made = await shop.queries.list_orders(
        marketplace_id=shop.marketplace_id,
        chosen=Filter(),
        sort=Sort.NEWEST,
        after=None,
        limit=10,
    )
    assert made.orders == []
    assert {line.action for line in await lines(shop)} == {"user.register"}


async def test_a_command_whose_line_cannot_be_written_does_not_begin(
    shop: Shop, postgres_admin: str
) -> None:
    order = await shop.rich_order()
    forbid(postgres_admin, "order.reserve")
    with pytest.raises(CheckViolation):
        await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))
    allow(postgres_admin)
    await shop.service.reserve_funds(shop.ask("r"), order_id=oid(order))
    forbid(postgres_admin, "order.cancel")
    with pytest.raises(CheckViolation):
        await shop.service.cancel(
            shop.ask(), order_id=oid(order), by=Party.BUYER, reason="", user_id=None
        )
    allow(postgres_admin)

    name = to_public("ord", oid(order))
    assert (await shop.read(order)).state is State.FUNDS_RESERVED
    actions = [line.action for line in await lines(shop, target_id=name)]
    assert actions == ["order.reserve", "order.create"]


async def test_failed_command_is_recorded_with_its_requester(shop: Shop) -> None:
    await shop.user("usr_buyer")
    await shop.user("usr_seller")
    order = await shop.order()
    with pytest.raises(InsufficientFunds):
        await shop.service.reserve_funds(shop.ask(), order_id=oid(order))

    begun, failed = (await lines(shop, target_id=to_public("ord", oid(order))))[1::-1]

    assert (begun.action, failed.action) == ("order.reserve", "order.reserve_failed")
    assert (failed.actor, failed.role) == (begun.actor, begun.role) == ("key:test", "marketplace")
    assert failed.after == '{"operation":null,"error":"INSUFFICIENT_FUNDS"}'


async def test_command_is_recorded_with_the_state_before_and_after(shop: Shop) -> None:
    order = await shop.running_order()
    asked = shop.ask(by="SELLER", reason="It broke")
    await shop.service.refund(asked, order_id=oid(order), by=Party.SELLER, reason="It broke")

    (line,) = await lines(shop, action="order.refund")

    assert (line.before, line.after) == (
        '{"state":"IN_PROGRESS"}',
        '{"state":"REFUND_REQUESTED","by":"SELLER"}',
    )
