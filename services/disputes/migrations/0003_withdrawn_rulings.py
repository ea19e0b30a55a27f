"""Rulings that could never be paid are withdrawn and kept; a case has one that stands."""

from alembic import op

revision = "disputes_0003"
down_revision = "disputes_0002"
branch_labels = None
depends_on = None

# The key was the case: now a case has many rulings, and one at most that is not withdrawn.
RULINGS = """
alter table disputes.rulings
    add column number bigint not null generated always as identity,
    add column withdrawn_at timestamptz,
    add column withdrawn_why text,
    add constraint rulings_withdrawn_why
        check ((withdrawn_at is null) = (withdrawn_why is null)),
    drop constraint rulings_pkey,
    add primary key (marketplace_id, dispute_id, number);
create unique index rulings_one_stands on disputes.rulings (marketplace_id, dispute_id)
    where withdrawn_at is null;
grant update (withdrawn_at, withdrawn_why) on disputes.rulings to disputes;
"""


def upgrade() -> None:
    """Let a ruling be withdrawn, and nothing else of it be changed."""
    op.execute(RULINGS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
