"""The accounts of new transfers are checked once a statement, not once a row.

The foreign keys looked up and locked an account for each row: a fifth of PostgreSQL's work on a
list of transfers. Accounts are never deleted, so their rows need no lock.
"""

from alembic import op

revision = "ledger_0006"
down_revision = "ledger_0005"
branch_labels = None
depends_on = None

CHECKS = """
create function ledger.check_accounts() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from (select distinct marketplace_id, asset, debit_account as name from fresh) f
        left join accounts a using (marketplace_id, asset, name)
        where a.number is null
    ) then
        raise exception 'the debit account of a transfer exists'
            using errcode = 'foreign_key_violation', constraint = 'transfers_debit_account';
    end if;
    if exists (
        select from (select distinct marketplace_id, asset, credit_account as name from fresh) f
        left join accounts a using (marketplace_id, asset, name)
        where a.number is null
    ) then
        raise exception 'the credit account of a transfer exists'
            using errcode = 'foreign_key_violation', constraint = 'transfers_credit_account';
    end if;
    return null;
end $$;
create trigger check_accounts after insert on ledger.transfers
    referencing new table as fresh for each statement execute function ledger.check_accounts();

create function ledger.keep_accounts() returns trigger language plpgsql
set search_path = ledger, pg_temp
as $$
begin
    raise exception 'an account is never deleted'
        using errcode = 'restrict_violation', constraint = 'accounts_are_kept';
end $$;
create trigger keep_accounts before delete or truncate on ledger.accounts
    for each statement execute function ledger.keep_accounts();
create function ledger.keep_account_names() returns trigger language plpgsql
set search_path = ledger, pg_temp
as $$
begin
    raise exception 'an account is never renamed'
        using errcode = 'restrict_violation', constraint = 'accounts_keep_their_name';
end $$;
create trigger keep_account_names before update of marketplace_id, asset, name on ledger.accounts
    for each statement execute function ledger.keep_account_names();

alter table ledger.transfers
    drop constraint transfers_debit_account, drop constraint transfers_credit_account;
"""


def upgrade() -> None:
    """Replace the foreign keys by checks of whole statements."""
    op.execute(CHECKS)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
