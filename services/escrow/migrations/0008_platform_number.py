"""The books know the platform account's sequence number."""

from alembic import op

revision = "escrow_0008"
down_revision = "escrow_0007"
branch_labels = None
depends_on = None

# last_sequence: the newest number of the platform account that the books can explain; null: no
# process has looked yet. seen_ledger: a ledger in which the account had used no number above it.
COLUMNS = """
alter table escrow.platform
    add column last_sequence bigint check (last_sequence >= 0),
    add column seen_ledger bigint check (seen_ledger >= 0),
    add constraint platform_seen check ((last_sequence is null) = (seen_ledger is null));
"""
GRANTS = "grant update (last_sequence, seen_ledger) on escrow.platform to escrow"


def upgrade() -> None:
    """Add the columns."""
    op.execute(COLUMNS)
    op.execute(GRANTS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
