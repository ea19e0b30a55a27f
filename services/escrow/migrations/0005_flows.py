"""What operators have done to the flows of money, and what has gone each way on each day."""

from alembic import op

revision = "escrow_0005"
down_revision = "escrow_0004"
branch_labels = None
depends_on = None

# Lines are added and never changed: the newest holds. marketplace_id: null for all of them;
# daily_limit: null for no limit.
CHANGES = """
create table escrow.flow_changes (
    id bigint generated always as identity primary key,
    marketplace_id uuid,
    flow text not null check (flow in ('FUNDING', 'RELEASES', 'REFUNDS', 'PAYMENTS')),
    change text not null check (change in ('STOP', 'RESUME', 'LIMIT')),
    daily_limit bigint check (daily_limit >= 0),
    reason text not null check (btrim(reason) <> ''),
    by text not null check (by <> ''),
    at timestamptz not null default clock_timestamp(),
    check (change = 'LIMIT' or daily_limit is null)
);
create index flow_changes_newest on escrow.flow_changes (flow, marketplace_id, id desc);
grant select, insert on escrow.flow_changes to escrow;
"""

# What a step moves counts once, on the day (UTC) on which it was first let pass.
USES = """
create table escrow.flow_uses (
    step_id uuid primary key references escrow.steps (id),
    marketplace_id uuid not null,
    flow text not null check (flow in ('FUNDING', 'RELEASES', 'REFUNDS', 'PAYMENTS')),
    day date not null,
    minor_units bigint not null check (minor_units > 0)
);
create index flow_uses_of_day on escrow.flow_uses (marketplace_id, flow, day);
grant select, insert, update (day) on escrow.flow_uses to escrow;
"""


def upgrade() -> None:
    """Add the tables."""
    for part in (CHANGES, USES):
        op.execute(part)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
