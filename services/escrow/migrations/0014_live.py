"""An index of the contracts whose entries must be kept alive."""

from alembic import op

revision = "escrow_0014"
down_revision = "escrow_0013"
branch_labels = None
depends_on = None

LIVE = """
create index escrows_live on escrow.escrows (contract_id)
    where closed_at is null and state not in ('FAILED', 'CREATING');
"""


def upgrade() -> None:
    """Make the index."""
    op.execute(LIVE)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
