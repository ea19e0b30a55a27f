"""The versions of an aggregate's events are unique by event_id, which is made of them."""

from alembic import op

from chassis import outbox

revision = "disputes_0006"
down_revision = "disputes_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the wide index that said the same; nothing reads by it."""
    op.execute(outbox.DROP_WIDE_INDEX_DDL.format(schema="disputes"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
