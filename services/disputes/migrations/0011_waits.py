"""What a case waits for from support, and the clocks of test marketplaces.

A case that is open today has no due moments: nobody was promised any when it was opened, and with
those of today's settings many old cases would be overdue at once.
"""

from alembic import op

revision = "disputes_0011"
down_revision = "disputes_0010"
branch_labels = None
depends_on = None

# The defaults are for the version before, which does not write them: its cases wait for nothing.
WAITS = """
alter table disputes.disputes
    add column first_answer_due_at timestamptz,
    add column first_answered_at timestamptz,
    add column decision_due_at timestamptz,
    add column overdue_told text[] not null default '{}'
        check (overdue_told <@ array['FIRST_ANSWER', 'DECISION']),
    add column untold_due_at timestamptz,
    add column overdue_since timestamptz;
"""
CLOCKS = """
create table disputes.clocks (
    marketplace_id uuid primary key,
    offset_seconds bigint not null check (offset_seconds between 1 and 316224000)
);
grant select, insert, update on disputes.clocks to disputes;
create function disputes.time_of(marketplace uuid) returns timestamptz language sql stable as $$
    select now() + make_interval(secs => coalesce(
        (select offset_seconds from disputes.clocks where marketplace_id = marketplace), 0))
$$;
"""


def upgrade() -> None:
    """Add the waits and the clocks."""
    op.execute(WAITS)
    op.execute(CLOCKS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
