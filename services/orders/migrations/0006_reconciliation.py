"""The comparison of ledger and chain that goes on all the time: where it is, and what differs."""

from alembic import op

revision = "orders_0006"
down_revision = "orders_0005"
branch_labels = None
depends_on = None

# One row: it is one comparison, whichever process makes it.
PLACE = """
create table orders.reconciliation (
    id smallint primary key default 1 check (id = 1),
    marketplace_id uuid not null default '00000000-0000-0000-0000-000000000000',
    side text not null default 'CHAIN' check (side in ('CHAIN', 'LEDGER')),
    page_token text not null default '',
    accounts bigint not null default 0 check (accounts >= 0),
    round_started_at timestamptz not null default clock_timestamp(),
    looked_at timestamptz,
    round_finished_at timestamptz,
    round_accounts bigint not null default 0 check (round_accounts >= 0)
)
"""
DIFFERENCES = """
create table orders.differences (
    marketplace_id uuid not null,
    account text not null,
    ledger bigint not null,
    chain bigint not null,
    since timestamptz not null,
    seen_at timestamptz not null,
    primary key (marketplace_id, account),
    constraint differences_differ check (ledger <> chain)
)
"""


def upgrade() -> None:
    """Make both tables. What differs is no record of money: it is forgotten when it agrees."""
    op.execute(PLACE)
    op.execute("insert into orders.reconciliation default values")
    op.execute(DIFFERENCES)
    op.execute("grant select, update on orders.reconciliation to orders")
    op.execute("grant select, insert, update, delete on orders.differences to orders")


def downgrade() -> None:
    """Refuse: migrations go forward only."""
    raise RuntimeError("migrations go forward only")
