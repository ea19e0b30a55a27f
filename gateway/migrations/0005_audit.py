"""The audit trail. Grants and a trigger ensure that lines are only added."""

from alembic import op

from chassis import audit

revision = "gateway_0005"
down_revision = "gateway_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the trigger that protects its lines."""
    op.execute(audit.DDL.format(schema="gateway"))


def downgrade() -> None:
    """Refuse: no tool may drop a trail."""
    raise RuntimeError("migrations go forward only")
