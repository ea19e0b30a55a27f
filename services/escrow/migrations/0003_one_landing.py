"""One landing a step: doubts and rulings are kept, and what the chain knew before the books."""

from alembic import op

revision = "escrow_0003"
down_revision = "escrow_0002"
branch_labels = None
depends_on = None

# is_burn: the envelope does nothing but use a sequence number up, so that no other can.
# doubt: what contradicts what was meant by a step that has landed.
# abandoned_why: an operator has ruled that a command shall end, if nothing of it has landed.
COLUMNS = """
alter table escrow.attempts add column is_burn boolean not null default false;
alter table escrow.steps add column doubt text not null default '';
alter table escrow.commands
    add column quarantined_at timestamptz,
    add column abandoned_why text not null default '';
"""

# A hold: the chain has transactions of our accounts that the books lack. Nothing new is sent while
# one is open. findings: those transactions; a step that means one claims it (attempts.hash).
HOLDS = """
create table escrow.findings (
    hash text primary key,
    source text not null,
    sequence bigint not null,
    envelope_xdr text not null,
    ledger bigint not null,
    has_succeeded boolean not null,
    found_at timestamptz not null default clock_timestamp()
);
create index findings_number on escrow.findings (source, sequence);
create table escrow.chain_holds (
    id bigint generated always as identity primary key,
    why text not null,
    since timestamptz not null default clock_timestamp(),
    confirmed_at timestamptz,
    confirmed_by text not null default '',
    confirmed_why text not null default '',
    check (confirmed_at is null or (confirmed_by <> '' and confirmed_why <> ''))
);
create unique index chain_holds_one_open
    on escrow.chain_holds ((confirmed_at is null)) where confirmed_at is null;
"""

# Attempts are looked up by the number that they have.
INDEXES = "create index attempts_number on escrow.attempts (source, sequence)"

GRANTS = """
grant select, insert on escrow.findings, escrow.chain_holds to escrow;
grant update (confirmed_at, confirmed_by, confirmed_why) on escrow.chain_holds to escrow;
grant update (quarantined_at, abandoned_why) on escrow.commands to escrow;
grant update (doubt) on escrow.steps to escrow;
"""


def upgrade() -> None:
    """Add the columns and the tables."""
    for part in (COLUMNS, HOLDS, INDEXES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
