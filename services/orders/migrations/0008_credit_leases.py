"""Credits are leased work."""

from alembic import op

revision = "orders_0008"
down_revision = "orders_0007"
branch_labels = None
depends_on = None

# `epoch` is the lease's epoch: the version before counts it up too when it takes a credit over, so
# that each version's writes are refused after the other has taken the credit. A constant default
# rewrites no row; a credit that the version before begins later is its own for 15 seconds.
LEASES = """
alter table orders.credits add column lease_until timestamptz not null default 'epoch';
alter table orders.credits
    alter column lease_until set default clock_timestamp() + interval '15 seconds';
"""


def upgrade() -> None:
    """Add the column."""
    op.execute(LEASES)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
