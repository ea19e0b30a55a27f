"""Which events are published is noted beside them; their rows are not written again."""

from alembic import op

from chassis import published

revision = "ledger_0007"
down_revision = "ledger_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the view."""
    op.execute(published.DDL.format(schema="ledger"))
    op.execute(published.GRANTS.format(schema="ledger"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
