"""The outbox keeps an event's payload beside its other columns, not its whole body."""

from alembic import context, op

from chassis import outbox

revision = "ledger_0012"
down_revision = "ledger_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a new schema uses them at once, another one when it has no old replica."""
    op.execute(outbox.SHORT_DDL.format(schema="ledger"))
    if context.config.attributes["is_new"]:
        op.execute(outbox.SHORT_AT_ONCE_DDL.format(schema="ledger"))
    # The versions of a balance's events are unique by event_id, which is made of them.
    op.execute(outbox.DROP_WIDE_INDEX_DDL.format(schema="ledger"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
