"""What an operator must know of: transfers that were put aside, and for how long commands wait."""

from alembic import op

revision = "escrow_0002"
down_revision = "escrow_0001"
branch_labels = None
depends_on = None

# Transfers of the asset whose record was refused. They stop nobody else's, and are never told:
# reconciliation shows the money. marketplace_id: whose wallet it is, where that could be read.
ASIDE = """
create table escrow.unreadable_transfers (
    event_id text primary key,
    marketplace_id uuid,
    transaction_hash text not null,
    ledger bigint not null,
    to_address text not null,
    event text not null,
    why text not null,
    found_at timestamptz not null default clock_timestamp()
);
"""

# waits: how often a command has been put off since it last went on.
WAITING = """
alter table escrow.commands
    add column waits integer not null default 0 check (waits >= 0),
    add column waiting_since timestamptz;
create index commands_of_concern on escrow.commands (marketplace_id, created_at)
    where state = 'QUARANTINED' or waiting_since is not null;
"""

# A refusal of a command is no answer that is kept any more: what was refused may be possible now.
REFUSALS = "delete from escrow.idempotency where state = 'refused'"

GRANTS = """
grant select, insert on escrow.unreadable_transfers to escrow;
grant update (waits, waiting_since) on escrow.commands to escrow;
"""


def upgrade() -> None:
    """Add the table and the columns."""
    for part in (ASIDE, WAITING, REFUSALS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
