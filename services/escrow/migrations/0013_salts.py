"""Salts and factories of contracts, stored before they are used."""

from alembic import op

revision = "escrow_0013"
down_revision = "escrow_0012"
branch_labels = None
depends_on = None

# Whoever knows a salt can put a contract of their own in its place. A contract without a stored
# salt was accepted by a version before, whose salt follows from its id. deployment: the number of
# the place that is tried. factory: '' means the network's first.
SALTS = """
alter table escrow.escrows
    add column salt bytea check (length(salt) = 32),
    add column deployment integer not null default 1 check (deployment > 0),
    add column factory text not null default '';
grant update (contract_id, salt, deployment, factory) on escrow.escrows to escrow;
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(SALTS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
