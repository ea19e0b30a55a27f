"""How many hours support of a marketplace may take over a dispute."""

from alembic import op

revision = "orders_0020"
down_revision = "orders_0019"
branch_labels = None
depends_on = None

# A column that is null: support may take as long as it likes. Marketplaces of today have the
# defaults, for the disputes that are opened from now on.
SETTINGS = """
alter table orders.marketplaces
    add column dispute_answer_hours integer default 24
        check (dispute_answer_hours between 1 and 720),
    add column dispute_decision_hours integer default 168
        check (dispute_decision_hours between 1 and 720);
"""


def upgrade() -> None:
    """Add the settings."""
    op.execute(SETTINGS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
