"""Withdrawals are found by state, user and reference together; lines of the trail by two."""

from alembic import op

revision = "orders_0021"
down_revision = "orders_0020"
branch_labels = None
depends_on = None

INDEXES = {
    "withdrawals_state": "withdrawals (marketplace_id, state, id)",
    "withdrawals_state_of_user": "withdrawals (marketplace_id, user_id, state, id)",
    "withdrawals_state_of_reference": (
        "withdrawals (marketplace_id, reference, state, id) where reference <> ''"
    ),
    "withdrawals_reference_of_user": (
        "withdrawals (marketplace_id, user_id, reference, id) where reference <> ''"
    ),
    "audit_actor_and_action": "audit (marketplace_id, actor, action, id)",
}


def upgrade() -> None:
    """Make the indexes beside the services that write."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # One that was interrupted has left an index that is not valid.
            op.execute(f"drop index if exists orders.{name}")
            op.execute(f"create index concurrently {name} on orders.{columns}")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
