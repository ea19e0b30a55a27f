"""A table without rows, whose lock lets a flow's stop wait for the envelopes being stored."""

from alembic import op

revision = "escrow_0010"
down_revision = "escrow_0009"
branch_labels = None
depends_on = None

# A statement locks the tables it reads before it looks at anything. So one that stores an envelope
# either sees a change of its flow, or has ended when the change is written.
FLOW_GATE = """
create table escrow.flow_gate (is_only boolean primary key check (is_only));
grant select, delete on escrow.flow_gate to escrow;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(FLOW_GATE)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
