"""Credits that the chain refused: kept, with their reference free to be used again."""

from alembic import op

revision = "orders_0003"
down_revision = "orders_0002"
branch_labels = None
depends_on = None

CREDITS = """
alter table orders.credits
    drop constraint credits_pkey,
    drop constraint credits_id_key,
    drop constraint credits_state_check,
    add primary key (id),
    add constraint credits_state check (state in ('RUNNING', 'SUCCEEDED', 'FAILED')),
    add column error text not null default '',
    add column scope text not null default '',
    add column key text not null default '',
    add column fingerprint bytea not null default '';
create unique index credits_reference on orders.credits (marketplace_id, reference)
    where state <> 'FAILED';
"""


def upgrade() -> None:
    """Let a credit fail, and remember the request that it answers."""
    op.execute(CREDITS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
