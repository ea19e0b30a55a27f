"""When an order's milestones were completed."""

from alembic import op

revision = "orders_0011"
down_revision = "orders_0010"
branch_labels = None
depends_on = None

# JSON, ref → instant; empty: none. Apart from what was agreed on, which the version before reads.
COMPLETIONS = "alter table orders.orders add column completions text not null default ''"


def upgrade() -> None:
    """Add the column; a constant default rewrites no row."""
    op.execute(COMPLETIONS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
