"""Which events are published is noted beside them; their rows are not written again."""

from alembic import op

from chassis import published

revision = "disputes_0005"
down_revision = "disputes_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the view."""
    op.execute(published.DDL.format(schema="disputes"))
    op.execute(published.GRANTS.format(schema="disputes"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
