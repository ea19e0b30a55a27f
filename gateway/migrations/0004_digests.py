"""The digest of a key can be replaced, because its pepper can be replaced."""

from alembic import op

revision = "gateway_0004"
down_revision = "gateway_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow the gateway to update digests."""
    op.execute("grant update (digest) on gateway.api_keys to gateway")


def downgrade() -> None:
    """Refuse: a schema only goes forward."""
    raise RuntimeError("migrations go forward only")
