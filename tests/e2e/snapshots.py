"""Count and hash every table of a running stack, to detect any change."""

import asyncio
import uuid
from typing import Any

import psycopg
from psycopg import sql

from tests.running_stack import RunningStack
from tests.shop import until

Contents = dict[str, tuple[Any, ...] | None]
STILL_SECONDS = 0.3
# Background work changes these tables: the watcher's place on the chain, the newest ledger that was
# seen, the time at which a difference of another test was last seen, counts of orders, whose sums
# are compared instead, checks of books, words of orders, deliveries of other tests that are tried
# again, the list of events, places in the stream, the log of requests, and the ids of published
# events, among which gaps of undone transactions close.
_MOVES = {
    "disputes.outbox_published",
    "escrow.cursors",
    "escrow.outbox_published",
    "escrow.platform",
    "gateway.requests",
    "ledger.books",
    "ledger.outbox_published",
    "orders.differences",
    "orders.outbox_published",
    "orders.party_changes",
    "orders.party_totals",
    "orders.reconciliation",
    "orders.words",
    "orders.words_due",
    "webhooks.deliveries",
    "webhooks.events",
    "webhooks.intake",
    "webhooks.outbox_published",
    "webhooks.recording",
}
_SUMS = """
select count(*), sum(hashtextextended(found::text, 0)) from (
    select marketplace_id, user_id, is_seller, status, sum(total) from (
        select marketplace_id, user_id, is_seller, status, total from orders.party_totals
        union all
        select marketplace_id, user_id, is_seller, status, change from orders.party_changes
    ) every group by 1, 2, 3, 4 having sum(total) <> 0
) found
"""
_TABLES = """
select table_schema, table_name from information_schema.tables
where table_schema in ('orders', 'ledger', 'escrow', 'disputes', 'webhooks', 'gateway')
and table_type = 'BASE TABLE'
"""
_WHOLE = sql.SQL("select count(*), sum(hashtextextended(found::text, 0)) from {} found")
_BUT_FOR = sql.SQL(" where marketplace_id <> {}")


def contents(stack: RunningStack, *, but_for: uuid.UUID) -> Contents:
    """Count and hash every table. but_for: a marketplace whose stored answers are left out.

    A refusal is stored as the answer to its request, in the marketplace that was refused.
    """
    found: Contents = {}
    with psycopg.connect(str(stack.document["databaseUrl"]), autocommit=True) as connection:
        for schema, table in connection.execute(_TABLES).fetchall():
            statement = _WHOLE.format(sql.Identifier(schema, table))
            if table == "idempotency":
                statement += _BUT_FOR.format(sql.Literal(str(but_for)))
            found[f"{schema}.{table}"] = connection.execute(statement).fetchone()
        found["sums of orders.party_*"] = connection.execute(_SUMS).fetchone()
    return {name: value for name, value in found.items() if name not in _MOVES}


async def settled(stack: RunningStack, *, but_for: uuid.UUID) -> Contents:
    """Wait until the tables no longer change; returns their contents."""
    found: list[Contents] = []

    async def is_still() -> bool:
        found.append(await asyncio.to_thread(contents, stack, but_for=but_for))
        await asyncio.sleep(STILL_SECONDS)
        return len(found) > 1 and found[-1] == found[-2]

    await until(is_still, what="the database did not come to rest")
    return found[-1]
