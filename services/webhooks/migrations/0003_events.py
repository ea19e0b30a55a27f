"""The list of events, and up to which message of the stream it is written."""

from alembic import op

revision = "webhooks_0003"
down_revision = "webhooks_0002"
branch_labels = None
depends_on = None

# sequence: in the order of the stream. The list is read newest first: as it is, of one type, or of
# one aggregate.
EVENTS = """
create table webhooks.events (
    marketplace_id uuid not null,
    id text not null,
    sequence bigint not null generated always as identity,
    type text not null,
    aggregate_type text not null,
    aggregate_id text not null,
    occurred_at timestamptz not null,
    body text not null,
    recorded_at timestamptz not null,
    primary key (marketplace_id, id)
);
create index events_newest on webhooks.events (marketplace_id, occurred_at, sequence);
create index events_of_type on webhooks.events (marketplace_id, type, occurred_at, sequence);
create index events_of_aggregate
    on webhooks.events (marketplace_id, aggregate_id, occurred_at, sequence);
create index events_recorded on webhooks.events (recorded_at);
create table webhooks.recording (
    is_only boolean primary key default true check (is_only),
    made text not null,
    sequence bigint not null
);
insert into webhooks.recording (made, sequence) values ('', 0);
"""

# What is recorded is never changed; it goes by age.
GRANTS = """
grant select, insert, delete on webhooks.events to webhooks;
grant select on webhooks.recording to webhooks;
grant update (made, sequence) on webhooks.recording to webhooks;
"""


def upgrade() -> None:
    """Make the tables and what the role may do with them."""
    op.execute(EVENTS)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
