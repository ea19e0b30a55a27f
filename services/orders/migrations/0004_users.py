"""Users are listed by when they came, and found by their UUID in any case of letters."""

from alembic import op

revision = "orders_0004"
down_revision = "orders_0003"
branch_labels = None
depends_on = None

# A user's id says when they came only where we made it: a token's subject is its issuer's.
NEWEST = "create index users_newest on orders.users (marketplace_id, created_at desc, id desc)"
# No unique one: an installation may have two users whose names differ by the case of letters.
EXTERNAL = """
create index users_external_folded on orders.users (marketplace_id, lower(external_user_id))
"""


def upgrade() -> None:
    """Add the indexes."""
    op.execute(NEWEST)
    op.execute(EXTERNAL)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
