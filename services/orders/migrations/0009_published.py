"""Which events are published is noted beside them; their rows are not written again."""

from alembic import op

from chassis import published

revision = "orders_0009"
down_revision = "orders_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the view."""
    op.execute(published.DDL.format(schema="orders"))
    op.execute(published.GRANTS.format(schema="orders"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
