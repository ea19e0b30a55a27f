"""The inbox: handled events, stored in the transaction of their effect.

A redelivered event is found in the inbox and takes no second effect.
"""

import uuid

from chassis.database import Transaction

# Run by the migrations of every schema that consumes events.
DDL = """
create table {schema}.inbox (
    consumer text not null,
    event_id uuid not null,
    handled_at timestamptz not null default now(),
    primary key (consumer, event_id)
);
"""


async def is_first_time(tx: Transaction, *, consumer: str, event_id: uuid.UUID) -> bool:
    """Record that a consumer handles an event. Returns False if it was recorded before."""
    statement = "insert into inbox (consumer, event_id) values (%s, %s) on conflict do nothing"
    return await tx.run(statement, (consumer, event_id)) == 1
