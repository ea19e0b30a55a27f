"""The trail of operators' commands that act on the database itself, not on a service."""

from alembic import op

revision = "gateway_0003"
down_revision = "gateway_0002"
branch_labels = None
depends_on = None

TRAIL = """
create table gateway.operator_trail (
    number bigint primary key generated always as identity,
    at timestamptz not null default clock_timestamp(),
    operator text not null check (length(operator) <= 64),
    command text not null check (length(command) between 1 and 64),
    details jsonb not null
)
"""


def upgrade() -> None:
    """Create the table. The grants allow only inserting and reading rows."""
    op.execute(TRAIL)
    op.execute("grant select, insert on gateway.operator_trail to gateway")


def downgrade() -> None:
    """Refuse: no tool may drop a trail."""
    raise RuntimeError("migrations go forward only")
