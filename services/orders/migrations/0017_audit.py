"""The audit trail. Its lines are only ever added, by grants and by a trigger."""

from alembic import op

from chassis import audit

revision = "orders_0017"
down_revision = "orders_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and what keeps its lines."""
    op.execute(audit.DDL.format(schema="orders"))


def downgrade() -> None:
    """Refuse: a trail is never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
