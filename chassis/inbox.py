"""Inbox: remembers handled events in the transaction of their effect; a redelivery does nothing."""

import uuid

from chassis.database import Transaction, driver

# Migrations of every schema that consumes events run this.
DDL = """
create table {schema}.inbox (
    consumer text not null,
    event_id uuid not null,
    handled_at timestamptz not null default now(),
    primary key (consumer, event_id)
);
"""


async def is_first_time(tx: Transaction, *, consumer: str, event_id: uuid.UUID) -> bool:
    """Record that a consumer handles an event; False where it did so before."""
    connection = await driver(tx)
    cursor = await connection.execute(
        "insert into inbox (consumer, event_id) values (%s, %s) on conflict do nothing",
        (consumer, event_id),
    )
    return cursor.rowcount == 1
