"""Accounts, transfers and entries; the constraints here are the second wall behind domain.py.

What is append-only is so by grants: the service's role may insert and read, nothing else.
"""

from alembic import op

from chassis import idempotency, inbox, outbox

revision = "0001"
down_revision = None

# Only users' and escrows' accounts keep figures in their row. The others are derived from entries,
# so that no row is locked by every transfer. See docs/money.md.
ACCOUNTS = """
create table ledger.accounts (
    marketplace_id uuid not null,
    asset text not null,
    name text not null,
    kind text not null generated always as (split_part(name, ':', 1)) stored,
    public_id text,
    credits bigint not null default 0,
    debits bigint not null default 0,
    holds bigint not null default 0,
    version bigint not null default 0,
    number bigint not null generated always as identity,
    opened_at timestamptz not null,
    primary key (marketplace_id, asset, name),
    constraint accounts_kind
        check (kind in ('user', 'escrow', 'fees', 'suspense', 'manual', 'external')),
    constraint accounts_public_id check ((kind = 'user') = (public_id is not null)),
    constraint accounts_totals_not_negative
        check (credits >= 0 and debits >= 0 and version >= 0),
    constraint accounts_reserved_not_negative check (holds >= 0),
    constraint accounts_available_not_negative check (credits - debits - holds >= 0),
    constraint accounts_derived_hold_no_figures check (
        kind in ('user', 'escrow') or (credits = 0 and debits = 0 and holds = 0 and version = 0)
    )
) with (fillfactor = 70);
create unique index accounts_public_id_once on ledger.accounts (marketplace_id, asset, public_id)
    where public_id is not null;
create unique index accounts_of_the_house on ledger.accounts (marketplace_id, number)
    where kind <> 'user';
"""

TRANSFERS = """
create table ledger.transfers (
    marketplace_id uuid not null,
    id uuid not null,
    number bigint not null generated always as identity,
    type smallint not null,
    code smallint not null,
    asset text not null,
    debit_account text not null,
    credit_account text not null,
    amount bigint not null,
    pending_id uuid,
    order_id uuid,
    transaction_hash text not null,
    reason text not null,
    at timestamptz not null,
    primary key (marketplace_id, id),
    constraint transfers_type check (type between 1 and 4 and code > 0),
    constraint transfers_amount_positive check (amount > 0),
    constraint transfers_two_accounts check (debit_account <> credit_account),
    constraint transfers_pending_named check ((type in (3, 4)) = (pending_id is not null)),
    constraint transfers_debit_account foreign key (marketplace_id, asset, debit_account)
        references ledger.accounts,
    constraint transfers_credit_account foreign key (marketplace_id, asset, credit_account)
        references ledger.accounts,
    constraint transfers_pending foreign key (marketplace_id, pending_id)
        references ledger.transfers
);
create unique index transfers_pending_resolved_once
    on ledger.transfers (marketplace_id, pending_id) where pending_id is not null;
create index transfers_of_order on ledger.transfers (marketplace_id, order_id, number)
    where order_id is not null;
"""

# Only accounts that keep figures have versions; nulls never collide in a unique index.
ENTRIES = """
create table ledger.entries (
    marketplace_id uuid not null,
    asset text not null,
    account text not null,
    version bigint,
    transfer_id uuid not null,
    available_change bigint not null,
    reserved_change bigint not null,
    available_after bigint,
    reserved_after bigint,
    constraint entries_version unique (marketplace_id, asset, account, version),
    constraint entries_version_positive check (version > 0),
    constraint entries_change_something
        check (available_change <> 0 or reserved_change <> 0),
    constraint entries_after_not_negative check (available_after >= 0 and reserved_after >= 0),
    constraint entries_figures_with_version check (
        (version is null) = (available_after is null)
        and (version is null) = (reserved_after is null)
    )
);
"""

# Statement triggers: one query for a batch instead of one for each row. Their plans must use
# indexes: a plan made while the table was small would read the whole table.
CHECKS = """
create function ledger.check_entries() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from fresh e
        left join transfers t on t.marketplace_id = e.marketplace_id and t.id = e.transfer_id
            and t.asset = e.asset and e.account in (t.debit_account, t.credit_account)
        group by e.marketplace_id, e.transfer_id
        having sum(e.available_change + e.reserved_change) <> 0 or not bool_and(t.id is not null)
    ) then
        raise exception 'the entries of a transfer sum to zero, on its own accounts'
            using errcode = 'check_violation', constraint = 'entries_sum_to_zero';
    end if;
    return null;
end $$;
create trigger check_entries after insert on ledger.entries
    referencing new table as fresh for each statement execute function ledger.check_entries();

create function ledger.check_resolutions() returns trigger language plpgsql
set search_path = ledger, pg_temp
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from fresh f
        join transfers p on p.marketplace_id = f.marketplace_id and p.id = f.pending_id
        where p.type <> 2 or f.amount > p.amount or f.asset <> p.asset
            or f.debit_account <> p.debit_account or f.credit_account <> p.credit_account
    ) then
        raise exception 'a hold is resolved on its own accounts, up to its amount'
            using errcode = 'check_violation', constraint = 'transfers_resolve_their_hold';
    end if;
    return null;
end $$;
create trigger check_resolutions after insert on ledger.transfers
    referencing new table as fresh for each statement execute function ledger.check_resolutions();
"""

GRANTS = """
grant select, insert on ledger.transfers, ledger.entries, ledger.inbox to ledger;
grant select, insert, update (credits, debits, holds, version) on ledger.accounts to ledger;
grant select, insert, update (published_at) on ledger.outbox to ledger;
grant select, insert, update, delete on ledger.idempotency to ledger;
"""


def upgrade() -> None:
    """Make the schema's tables, checks and grants."""
    for statements in (ACCOUNTS, TRANSFERS, ENTRIES, CHECKS):
        op.execute(statements)
    for part in (outbox, inbox, idempotency):
        op.execute(part.DDL.format(schema="ledger"))
    op.execute(GRANTS)
