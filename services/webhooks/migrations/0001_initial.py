"""Webhooks, their deliveries, the place in the stream; outbox and idempotency."""

from alembic import op

from chassis import idempotency, outbox, published

revision = "webhooks_0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table webhooks.webhooks (
    marketplace_id uuid not null,
    id uuid not null,
    url text not null,
    event_types text[] not null check (cardinality(event_types) > 0),
    description text not null,
    disabled_why text check (disabled_why in ('REQUESTED', 'FAILED')),
    disabled_at timestamptz,
    secret_number integer not null check (secret_number > 0),
    previous_until timestamptz,
    version bigint not null check (version >= 0),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (marketplace_id, id),
    check ((disabled_why is null) = (disabled_at is null))
);
create table webhooks.deliveries (
    marketplace_id uuid not null,
    id uuid not null,
    webhook_id uuid not null,
    sequence bigint not null generated always as identity,
    event_id text not null,
    event_type text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    body text not null,
    state text not null check (state in ('PENDING', 'DELIVERED', 'FAILED')),
    attempts integer not null check (attempts >= 0),
    due_at timestamptz not null,
    lease_until timestamptz not null,
    lease_epoch bigint not null,
    created_at timestamptz not null,
    finished_at timestamptz,
    last_at timestamptz,
    last_url text,
    last_milliseconds integer,
    last_status integer,
    last_answer text,
    last_trouble text,
    primary key (marketplace_id, id),
    foreign key (marketplace_id, webhook_id) references webhooks.webhooks (marketplace_id, id)
        on delete cascade,
    check ((state = 'PENDING') = (finished_at is null))
);
create index deliveries_newest
    on webhooks.deliveries (marketplace_id, webhook_id, sequence desc);
create index deliveries_due on webhooks.deliveries (marketplace_id, webhook_id, due_at, sequence)
    where state = 'PENDING';
create index deliveries_of_aggregate
    on webhooks.deliveries (marketplace_id, webhook_id, aggregate_id, sequence)
    where state = 'PENDING';
create index deliveries_created on webhooks.deliveries (created_at);
create table webhooks.intake (
    is_only boolean primary key default true check (is_only),
    made text not null,
    sequence bigint not null
);
insert into webhooks.intake (made, sequence) values ('', 0);
"""

# Of an event the role can only set published_at. Deliveries go with their webhook, or by age.
GRANTS = """
grant select, insert, update, delete on webhooks.webhooks, webhooks.deliveries to webhooks;
grant select on webhooks.intake to webhooks;
grant update (made, sequence) on webhooks.intake to webhooks;
grant select, insert on webhooks.outbox to webhooks;
grant update (published_at) on webhooks.outbox to webhooks;
grant select, insert, update, delete on webhooks.idempotency to webhooks;
"""


def upgrade() -> None:
    """Make the tables and what the role may do with them."""
    for statements in (
        *(TABLES, outbox.DDL, outbox.TRACE_DDL, outbox.DROP_WIDE_INDEX_DDL),
        *(published.DDL, idempotency.DDL, GRANTS, published.GRANTS),
    ):
        op.execute(statements.replace("{schema}", "webhooks"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
