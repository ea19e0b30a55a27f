"""Cases are found by status, by agent, and by the side that opened them."""

from alembic import op

revision = "disputes_0009"
down_revision = "disputes_0008"
branch_labels = None
depends_on = None

INDEXES = {
    "disputes_status": "(marketplace_id, status, created_at desc, id desc)",
    "disputes_assignee": (
        "(marketplace_id, assigned_to, created_at desc, id desc) where assigned_to <> ''"
    ),
    "disputes_opener": "(marketplace_id, opened_by, created_at desc, id desc)",
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
