"""What the platform takes of its fees is limited to what it has earned, by the database too."""

from alembic import op

revision = "ledger_0008"
down_revision = "ledger_0007"
branch_labels = None
depends_on = None

# What takes from the fees: withdrawals of the platform, and seldom a correction.
TAKEN = """
create index transfers_of_fees_taken on ledger.transfers (marketplace_id, asset)
    where debit_account = 'fees:platform';
"""
# The lines of the platform's own money.
OWN = """
create index transfers_of_platform on ledger.transfers (marketplace_id, number)
    where type in (1, 3) and (debit_account in ('fees:platform', 'fees:absorbed', 'manual')
        or credit_account in ('fees:platform', 'fees:absorbed', 'manual'));
"""

# Who takes has locked the account, so each sees what the others have taken. The entries of the new
# transfers are not written yet.
CHECKS = """
create function ledger.check_earned() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from (
            select distinct marketplace_id, asset from fresh
            where debit_account = 'fees:platform' and type in (1, 2)
        ) k
        where coalesce((
            select sum(e.available_change) from entries e
            where e.marketplace_id = k.marketplace_id and e.asset = k.asset
                and e.account = 'fees:platform'
        ), 0) + least(coalesce((
            select sum(e.available_change) from entries e
            where e.marketplace_id = k.marketplace_id and e.asset = k.asset
                and e.account = 'fees:absorbed'
        ), 0), 0) + coalesce((
            select sum(case when f.credit_account = 'fees:platform' then f.amount else 0 end
                     - case when f.debit_account in ('fees:platform', 'fees:absorbed')
                       then f.amount else 0 end)
            from fresh f
            where f.marketplace_id = k.marketplace_id and f.asset = k.asset and f.type in (1, 3)
        ), 0) - coalesce((
            select sum(h.amount) from transfers h
            where h.marketplace_id = k.marketplace_id and h.asset = k.asset
                and h.debit_account = 'fees:platform' and h.type = 2
                and not exists (
                    select from transfers r
                    where r.marketplace_id = h.marketplace_id and r.pending_id = h.id
                )
        ), 0) < 0
    ) then
        raise exception 'no more is taken of the fees than was earned'
            using errcode = 'check_violation', constraint = 'transfers_of_earned_fees';
    end if;
    return null;
end $$;
create trigger check_earned after insert on ledger.transfers
    referencing new table as fresh for each statement execute function ledger.check_earned();
"""


def upgrade() -> None:
    """Make the indexes and the check."""
    for statements in (TAKEN, OWN, CHECKS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
