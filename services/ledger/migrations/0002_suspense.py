"""Deposits in suspense: the user whose wallet they reached, their memo, their credit."""

from alembic import op

revision = "ledger_0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SUSPENSE = """
create table ledger.suspense (
    marketplace_id uuid not null,
    transfer_id uuid not null,
    number bigint not null generated always as identity,
    user_id uuid,
    memo text not null,
    credited_by uuid,
    primary key (marketplace_id, transfer_id),
    foreign key (marketplace_id, transfer_id) references ledger.transfers (marketplace_id, id),
    foreign key (marketplace_id, credited_by) references ledger.transfers (marketplace_id, id)
);
create index suspense_listed on ledger.suspense (marketplace_id, number);
insert into ledger.suspense (marketplace_id, transfer_id, memo)
select marketplace_id, id, '' from ledger.transfers where credit_account = 'suspense'
order by number;
grant select, insert, update (credited_by) on ledger.suspense to ledger;
"""


def upgrade() -> None:
    """Make the table, with the deposits that are in suspense already."""
    op.execute(SUSPENSE)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
