"""Which process may fail a credit: the one that took it over last."""

from alembic import op

revision = "orders_0005"
down_revision = "orders_0004"
branch_labels = None
depends_on = None

EPOCH = "alter table orders.credits add column epoch integer not null default 1"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row."""
    op.execute(EPOCH)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
