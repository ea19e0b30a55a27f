"""Rulings that cannot be paid are withdrawn and kept; at most one ruling of a case stands."""

from alembic import op

revision = "disputes_0003"
down_revision = "disputes_0002"
branch_labels = None
depends_on = None

# A case had one ruling. Now it can have many, of which at most one is not withdrawn.
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
