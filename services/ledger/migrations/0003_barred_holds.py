"""Ids of holds that can never be made: their orders were canceled first."""

from alembic import op

revision = "ledger_0003"
down_revision = "ledger_0002"
branch_labels = None
depends_on = None

BARRED = """
create table ledger.barred_holds (
    marketplace_id uuid not null,
    hold_id uuid not null,
    order_id uuid,
    reason text not null,
    at timestamptz not null,
    primary key (marketplace_id, hold_id)
);
grant select, insert on ledger.barred_holds to ledger;
"""

# Both writers lock the account of the hold first, so each sees what the other committed.
CHECKS = """
create function ledger.check_barred() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from fresh f
        join barred_holds b on b.marketplace_id = f.marketplace_id and b.hold_id = f.id
        where f.type = 2
    ) then
        raise exception 'a barred hold is never made'
            using errcode = 'check_violation', constraint = 'transfers_not_barred';
    end if;
    return null;
end $$;
create trigger check_barred after insert on ledger.transfers
    referencing new table as fresh for each statement execute function ledger.check_barred();

create function ledger.check_hold_absent() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from fresh f
        join transfers t on t.marketplace_id = f.marketplace_id and t.id = f.hold_id
        where t.type = 2
    ) then
        raise exception 'a hold that was made is voided, not barred'
            using errcode = 'check_violation', constraint = 'barred_holds_absent';
    end if;
    return null;
end $$;
create trigger check_hold_absent after insert on ledger.barred_holds
    referencing new table as fresh for each statement execute function ledger.check_hold_absent();
"""


def upgrade() -> None:
    """Make the table and the checks of both sides."""
    op.execute(BARRED)
    op.execute(CHECKS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
