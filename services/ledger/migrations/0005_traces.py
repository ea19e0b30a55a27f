"""Each event keeps the trace that wrote it."""

from alembic import op

from chassis import outbox

revision = "ledger_0005"
down_revision = "ledger_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute(outbox.TRACE_DDL.format(schema="ledger"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
