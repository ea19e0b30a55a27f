"""What a running stack has written down about an order, read in its database from outside."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, LiteralString

import psycopg
from psycopg.rows import scalar_row

from deploy.local import credentials
from deploy.local.operator import Operator
from deploy.local.reconcile import differing
from deploy.local.rest import Marketplace
from kernel.ids import from_public
from tests.running_stack import RunningStack
from tests.shop import until

# The row, its events, every transfer made for it, and the figures of both users.
_ORDER = """
select jsonb_build_object(
    'order', (select to_jsonb(o) from orders.orders o where o.id = %(id)s),
    'events', (select count(*) from orders.outbox where aggregate_id = %(name)s),
    'transfers', (select coalesce(jsonb_agg(to_jsonb(t) order by t.number), '[]')
                  from ledger.transfers t where t.order_id = %(id)s),
    'accounts', (select jsonb_agg(to_jsonb(a) order by a.name)
                 from ledger.accounts a, orders.orders o
                 where o.id = %(id)s
                 and a.name in ('user:' || o.buyer_id, 'user:' || o.seller_id)))
"""

_TRANSFERS = "select count(*) from ledger.transfers where order_id = %s"
_ESCROWS = "select count(*) from escrow.escrows where order_id = %s"
_CREATIONS = """
select count(*) from escrow.commands c join escrow.escrows e
on e.marketplace_id = c.marketplace_id and e.id = c.escrow_id
where c.kind = 'CREATE' and e.order_id = %s
"""
_POOR_ACCOUNTS = """
select count(*) from ledger.accounts
where holds < 0 or (kind in ('user', 'escrow') and credits - debits - holds < 0)
"""
_POOR_MOMENTS = (
    "select count(*) from ledger.entries where available_after < 0 or reserved_after < 0"
)


class Books:
    """Reads and, for states that last no moment, writes as the database's administrator."""

    def __init__(self, stack: RunningStack) -> None:
        self._url = str(stack.document["databaseUrl"])

    def all_about(self, order_id: str) -> dict[str, Any]:
        """Read everything that a command on an order could change."""
        with psycopg.connect(self._url, row_factory=scalar_row) as connection:
            values = {"id": _uuid(order_id), "name": order_id}
            found: Any = connection.execute(_ORDER, values).fetchone()
        assert found["order"] is not None, order_id
        assert len(found["accounts"]) == 2, "an account is not open"
        return dict(found)

    def transfers(self, order_id: str) -> int:
        """Count the transfers made for an order."""
        return self._count(_TRANSFERS, _uuid(order_id))

    def escrows(self, order_id: str) -> tuple[int, int]:
        """Count an order's escrows, and the commands that were to create one."""
        order = _uuid(order_id)
        return self._count(_ESCROWS, order), self._count(_CREATIONS, order)

    def orders_titled(self, title: str) -> int:
        """Count the orders with a title."""
        return self._count("select count(*) from orders.orders where title = %s", title)

    def below_zero(self) -> int:
        """Count accounts, and moments of accounts, with less than nothing."""
        return self._count(_POOR_ACCOUNTS) + self._count(_POOR_MOMENTS)

    def put_into(self, order_id: str, state: str) -> None:
        """Write a state into an order's row, which nothing else about it shows."""
        statement = "update orders.orders set state = %s where id = %s"
        with psycopg.connect(self._url) as connection:
            assert connection.execute(statement, (state, _uuid(order_id))).rowcount == 1

    def _count(self, statement: LiteralString, *values: object) -> int:
        with psycopg.connect(self._url, row_factory=scalar_row) as connection:
            found: Any = connection.execute(statement, values).fetchone()
        return int(found)


@contextlib.asynccontextmanager
async def operator_of(stack: RunningStack) -> AsyncIterator[Operator]:
    """Open the operator's view of the demo marketplace for the block."""
    document = stack.document
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        marketplace_id = await marketplace.marketplace_id()
    async with Operator.of(
        services=document["services"],
        secret=credentials.load(stack.run_dir).service_secret,
        marketplace_id=marketplace_id,
    ) as opened:
        yield opened


async def assert_sound(operator: Operator) -> None:
    """Hold the whole marketplace to the ledger's invariants, and the ledger to the chain."""

    async def settled() -> bool:
        holdings = await operator.holdings()
        return not any(found.in_motion for found in holdings) and not differing(holdings)

    await until(settled, what="ledger and chain did not agree")
    broken = [found for found in await operator.invariants() if not found.holds]
    assert broken == []


def _uuid(order_id: str) -> str:
    value = from_public("ord", order_id)
    assert value is not None, order_id
    return str(value)
