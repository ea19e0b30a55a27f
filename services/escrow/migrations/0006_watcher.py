"""Whether the watcher sees deposits: when it last looked, and what keeps it from it."""

from alembic import op

revision = "escrow_0006"
down_revision = "escrow_0005"
branch_labels = None
depends_on = None

# trouble: "" where there is none. The role may update cursors already.
WATCHER = """
alter table escrow.cursors
    add column looked_at timestamptz not null default clock_timestamp(),
    add column trouble text not null default '';
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(WATCHER)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
