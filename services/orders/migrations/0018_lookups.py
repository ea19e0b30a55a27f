"""Orders are found by amount, and users by mail address."""

from alembic import op

revision = "orders_0018"
down_revision = "orders_0017"
branch_labels = None
depends_on = None

INDEXES = {
    "orders_amount": "orders.orders (marketplace_id, amount, id)",
    "users_email": (
        "orders.users (marketplace_id, lower(email), created_at desc, id desc) where email <> ''"
    ),
}


def upgrade() -> None:
    """Make the indexes beside the services that write."""
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # One that was interrupted has left an index that is not valid.
            op.execute(f"drop index if exists orders.{name}")
            op.execute(f"create index concurrently {name} on {columns}")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
