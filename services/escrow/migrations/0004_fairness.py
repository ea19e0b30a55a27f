"""Since when a command is in trouble, and what got through in the meantime."""

from alembic import op

revision = "escrow_0004"
down_revision = "escrow_0003"
branch_labels = None
depends_on = None

# troubled_since: unlike waiting_since not of a wait that is in order, such as for a wallet.
TROUBLE = """
alter table escrow.commands add column troubled_since timestamptz;
grant update (troubled_since) on escrow.commands to escrow;
create index attempts_created on escrow.attempts (created_at);
"""


def upgrade() -> None:
    """Add the column and the index."""
    op.execute(TROUBLE)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
