"""The audit trail. Its lines are only ever added, by grants and by a trigger."""

from alembic import op

from chassis import audit

revision = "disputes_0007"
down_revision = "disputes_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and what keeps its lines."""
    op.execute(audit.DDL.format(schema="disputes"))


def downgrade() -> None:
    """Refuse: a trail is never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
