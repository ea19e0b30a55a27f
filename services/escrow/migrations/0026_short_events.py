"""The outbox keeps an event's payload beside its other columns, not its whole body."""

from alembic import context, op

from chassis import outbox

revision = "escrow_0026"
down_revision = "escrow_0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a new schema uses them at once, another one when it has no old replica."""
    op.execute(outbox.SHORT_DDL.format(schema="escrow"))
    if context.config.attributes["is_new"]:
        op.execute(outbox.SHORT_AT_ONCE_DDL.format(schema="escrow"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
