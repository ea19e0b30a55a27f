"""Withdrawals of the platform's own money: their user is a fixed id that no user can have."""

from alembic import op

revision = "orders_0016"
down_revision = "orders_0015"
branch_labels = None
depends_on = None

# The id is a hash of "platform", of a kind that no token and no new user can have. All other
# withdrawals name a user, as before.
OWNERS = """
alter table orders.withdrawals drop constraint withdrawals_marketplace_id_user_id_fkey;
alter table orders.withdrawals add column owner_id uuid generated always as (
    nullif(user_id, '7a15584c-4b81-139e-e0da-333e19040495'::uuid)) stored;
alter table orders.withdrawals add constraint withdrawals_owner
    foreign key (marketplace_id, owner_id) references orders.users (marketplace_id, id);
"""


def upgrade() -> None:
    """Let a withdrawal name the platform."""
    op.execute(OWNERS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
