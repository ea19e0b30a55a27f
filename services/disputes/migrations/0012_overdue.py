"""Cases are found by their next due moment, and those of a marketplace that are overdue."""

from alembic import op

revision = "disputes_0012"
down_revision = "disputes_0011"
branch_labels = None
depends_on = None

INDEXES = {
    "disputes_untold": "(untold_due_at) where untold_due_at is not null",
    "disputes_untold_of": "(marketplace_id, untold_due_at) where untold_due_at is not null",
    "disputes_overdue": "(marketplace_id, overdue_since, id) where overdue_since is not null",
}


def upgrade() -> None:
    """Make the indexes beside the services that write."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # One that was interrupted has left an index that is not valid.
            op.execute(f"drop index if exists disputes.{name}")
            op.execute(f"create index concurrently {name} on disputes.disputes {columns}")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
