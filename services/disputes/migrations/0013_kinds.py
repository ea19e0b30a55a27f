"""Cases are found by status, opener and agent together; lines of the trail by two."""

from alembic import op

revision = "disputes_0013"
down_revision = "disputes_0012"
branch_labels = None
depends_on = None

INDEXES = {
    "disputes_kind": "disputes (marketplace_id, status, opened_by, created_at desc, id desc)",
    "disputes_kind_of_assignee": (
        "disputes (marketplace_id, assigned_to, status, opened_by, created_at desc, id desc)"
        " where assigned_to <> ''"
    ),
    "audit_actor_and_action": "audit (marketplace_id, actor, action, id)",
}


def upgrade() -> None:
    """Make the indexes beside the services that write; the next release drops the narrow ones."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # One that was interrupted has left an index that is not valid.
            op.execute(f"drop index if exists disputes.{name}")
            op.execute(f"create index concurrently {name} on disputes.{columns}")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
