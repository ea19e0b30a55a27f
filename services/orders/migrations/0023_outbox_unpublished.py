"""Events that wait are found by their ids: the index of the column that nobody writes goes."""

from alembic import op

from chassis import outbox

revision = "orders_0023"
down_revision = "orders_0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the index beside the services that write."""
    with op.get_context().autocommit_block():
        op.execute(outbox.DROP_UNPUBLISHED_INDEX_DDL.format(schema="orders"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
