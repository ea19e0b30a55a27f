"""Payouts that two operators redirect to another address of the same party."""

from alembic import op

revision = "escrow_0021"
down_revision = "escrow_0020"
branch_labels = None
depends_on = None

# "": the party's wallet is paid.
COLUMNS = """
alter table escrow.escrows
    add column seller_payout text not null default '',
    add column buyer_payout text not null default '';
grant update (seller_payout, buyer_payout) on escrow.escrows to escrow;
"""

# One operator proposes, another one approves: also by a constraint.
TABLE = """
create table escrow.redirects (
    marketplace_id uuid not null,
    id uuid not null,
    escrow_id uuid not null,
    party text not null check (party in ('SELLER', 'BUYER')),
    address text not null,
    why text not null,
    proposed_by text not null,
    proposed_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    approved_by text check (approved_by <> proposed_by),
    approved_at timestamptz,
    primary key (marketplace_id, id),
    foreign key (marketplace_id, escrow_id) references escrow.escrows (marketplace_id, id)
);
create index redirects_of_escrow on escrow.redirects (marketplace_id, escrow_id);
grant select, insert, update (approved_by, approved_at) on escrow.redirects to escrow;
"""


def upgrade() -> None:
    """Add the columns and the table."""
    op.execute(COLUMNS)
    op.execute(TABLE)


def downgrade() -> None:
    """Refuse: what operators have decided is never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
