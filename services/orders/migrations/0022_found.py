"""Withdrawals are found by user, reference and state together."""

from alembic import op

revision = "orders_0022"
down_revision = "orders_0021"
branch_labels = None
depends_on = None

NAME = "withdrawals_state_of_user_and_reference"
COLUMNS = "withdrawals (marketplace_id, user_id, reference, state, id) where reference <> ''"


def upgrade() -> None:
    """Make the index beside the services that write."""
    with op.get_context().autocommit_block():
        # One that was interrupted has left an index that is not valid.
        op.execute(f"drop index if exists orders.{NAME}")
        op.execute(f"create index concurrently {NAME} on orders.{COLUMNS}")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
