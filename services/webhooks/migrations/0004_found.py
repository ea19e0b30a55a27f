"""Deliveries are found by state, and events by aggregate and type together."""

from alembic import op

revision = "webhooks_0004"
down_revision = "webhooks_0003"
branch_labels = None
depends_on = None

INDEXES = {
    "deliveries_of_state": "deliveries (marketplace_id, webhook_id, state, sequence desc)",
    "events_of_aggregate_and_type": (
        "events (marketplace_id, aggregate_id, type, occurred_at, sequence)"
    ),
}


def upgrade() -> None:
    """Make the indexes beside the service that writes, then drop the narrow one."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # One that was interrupted has left an index that is not valid.
            op.execute(f"drop index if exists webhooks.{name}")
            op.execute(f"create index concurrently {name} on webhooks.{columns}")
        op.execute("drop index concurrently if exists webhooks.events_of_aggregate")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
