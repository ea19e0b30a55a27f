"""What the people of support who decide are called."""

from alembic import op

revision = "disputes_0008"
down_revision = "disputes_0007"
branch_labels = None
depends_on = None

# Empty: an API key decided, or the person's token has no name.
NAMES = """
alter table disputes.rulings
    add column resolved_by_name text not null default ''
        check (length(resolved_by_name) <= 100);
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(NAMES)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
