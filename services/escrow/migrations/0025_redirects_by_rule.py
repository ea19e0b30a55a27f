"""Payouts that a marketplace redirects by its rule: who decides about a proposal."""

from alembic import op

revision = "escrow_0025"
down_revision = "escrow_0024"
branch_labels = None
depends_on = None

# False: operators decide. An operator never approves what a key has proposed, and the reverse.
COLUMN = "alter table escrow.redirects add column by_rule boolean not null default false"


def upgrade() -> None:
    """Add the column."""
    op.execute(COLUMN)


def downgrade() -> None:
    """Refuse: what was decided about money is never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
