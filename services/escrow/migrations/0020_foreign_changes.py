"""Changes of orders' contracts by transactions that are not ours. They are listed for operators."""

from alembic import op

revision = "escrow_0020"
down_revision = "escrow_0019"
branch_labels = None
depends_on = None

# A node's own account of what happened: rows are added and read, never changed.
TABLE = """
create table escrow.foreign_changes (
    event_id text primary key,
    contract_id text not null,
    name text not null,
    transaction_hash text not null,
    ledger bigint not null,
    found_at timestamptz not null default clock_timestamp()
);
create index foreign_changes_of_contract on escrow.foreign_changes (contract_id);
grant select, insert on escrow.foreign_changes to escrow;
"""


def upgrade() -> None:
    """Add the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: what was found is never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
