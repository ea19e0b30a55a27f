"""Events that wait are found by their ids: the index of the column that nobody writes goes."""

from alembic import op

from chassis import outbox

revision = "ledger_0011"
down_revision = "ledger_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the index beside the services that write."""
    with op.get_context().autocommit_block():
        op.execute(outbox.DROP_UNPUBLISHED_INDEX_DDL.format(schema="ledger"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
