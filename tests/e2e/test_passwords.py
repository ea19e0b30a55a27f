"""A database password is replaced while orders go on: by a second role with the same rights."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.replica import replica
from tests.running_stack import RunningStack
from tests.shop import Shop, data_of

ROLE = "orders_next"


@pytest.fixture
def next_role(stack: RunningStack) -> Iterator[str]:
    """A role that may what the role of orders may, as docs/runbook.md makes it; yields its URL."""
    url = stack.document["databaseUrl"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"create role {ROLE} login password 'another' in role orders")
        try:
            yield url.replace(f"//{psycopg.conninfo.conninfo_to_dict(url)['user']}@", f"//{ROLE}@")
        finally:
            connection.execute(f"drop role {ROLE}")


async def test_a_replica_with_the_next_password_does_all_that_the_others_do(
    stack: RunningStack, next_role: str
) -> None:
    with replica(stack, DATABASE_URL=next_role) as url:
        async with Shop.of(stack, url=url) as shop:
            pair = await shop.pair(amount="100.00")
            order_id = await shop.order_in("IN_PROGRESS", pair)
            released = await shop.act(order_id, "release")
            assert data_of(released)["status"] == "CLOSED"
