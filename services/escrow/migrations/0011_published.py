"""Which events are published is noted beside them; their rows are not written again."""

from alembic import op

from chassis import published

revision = "escrow_0011"
down_revision = "escrow_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the view."""
    op.execute(published.DDL.format(schema="escrow"))
    op.execute(published.GRANTS.format(schema="escrow"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
