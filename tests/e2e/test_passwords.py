"""A database password is replaced without interruption, with a second role of the same rights."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.replica import replica
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of

ROLE = "orders_next"


@pytest.fixture
def next_role(stack: RunningStack) -> Iterator[str]:
    """A role with the rights of orders' role, as docs/runbook.md creates it; yields its URL."""
    url = stack.document["databaseUrl"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {ROLE} login password 'another' in role orders")
        try:
            yield url.replace(f"//{psycopg.conninfo.conninfo_to_dict(url)['user']}@", f"//{ROLE}@")
        finally:
            connection.execute(f"drop role {ROLE}")


async def test_replica_with_the_next_database_role_works_like_the_others(
    stack: RunningStack, next_role: str
) -> None:
    with replica(stack, DATABASE_URL=next_role) as url:
        async with Shop.of(stack, url=url) as shop:
            pair = await shop.pair(amount="100.00")
            order_id = await shop.order_in("IN_PROGRESS", pair)
            released = await shop.act(order_id, "release")
            assert data_of(released)["status"] == "CLOSED"
