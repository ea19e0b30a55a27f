"""The trace that wrote an event stands beside it."""

from alembic import op

from chassis import outbox

revision = "orders_0007"
down_revision = "orders_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute(outbox.TRACE_DDL.format(schema="orders"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
