"""The digest of a key may be replaced, as its pepper is."""

from alembic import op

revision = "gateway_0004"
down_revision = "gateway_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let the gateway write digests."""
    op.execute("grant update (digest) on gateway.api_keys to gateway")


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
