"""Messages and notes about cases, and what an agent is called."""

from alembic import op

revision = "disputes_0010"
down_revision = "disputes_0009"
branch_labels = None
depends_on = None

NAME = """
alter table disputes.disputes
    add column assigned_to_name text not null default ''
        check (length(assigned_to_name) <= 100);
"""

# Notes are a table of their own, so that no list of messages can show one by mistake.
REMARKS = """
create table disputes.{name} (
    marketplace_id uuid not null,
    id uuid not null,
    dispute_id uuid not null,
    author text not null check (author in ({authors})),
    author_id text not null check (length(author_id) between 1 and 300),
    author_name text not null check (length(author_name) <= 100),
    text text not null check (length(text) between 1 and 4000),
    number bigint not null generated always as identity,
    created_at timestamptz not null,
    primary key (marketplace_id, id),
    foreign key (marketplace_id, dispute_id) references disputes.disputes (marketplace_id, id)
);
create unique index {name}_newest
    on disputes.{name} (marketplace_id, dispute_id, number desc);
grant select, insert on disputes.{name} to disputes;
"""


def upgrade() -> None:
    """Make the tables; the role can neither change nor delete what was written."""
    op.execute(NAME)
    op.execute(REMARKS.format(name="messages", authors="'BUYER', 'SELLER', 'SUPPORT'"))
    op.execute(REMARKS.format(name="notes", authors="'SUPPORT'"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
