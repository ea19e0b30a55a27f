"""Who may redirect payouts of a marketplace's orders: operators alone, or the marketplace too."""

from alembic import op

revision = "orders_0024"
down_revision = "orders_0023"
branch_labels = None
depends_on = None

COLUMN = """
alter table orders.marketplaces
    add column payout_redirects text not null default 'OPERATOR'
        check (payout_redirects in ('OPERATOR', 'MARKETPLACE'))
"""


def upgrade() -> None:
    """Add the setting."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Refuse: settings of marketplaces are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
