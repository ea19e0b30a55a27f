"""Withdrawals: users' money that leaves for accounts outside."""

from alembic import op

revision = "orders_0014"
down_revision = "orders_0013"
branch_labels = None
depends_on = None

WITHDRAWALS = """
create table orders.withdrawals (
    marketplace_id uuid not null,
    id uuid not null,
    user_id uuid not null,
    user_public_id text not null,
    asset text not null,
    amount bigint not null check (amount > 0),
    destination text not null,
    memo_type text check (memo_type in ('TEXT', 'ID', 'HASH')),
    memo text,
    reference text not null,
    state text not null check (state in ('CREATED', 'PENDING', 'COMPLETED', 'FAILED', 'CANCELED')),
    in_progress boolean not null,
    is_turned_down boolean not null,
    commits integer not null check (commits >= 0),
    version bigint not null check (version > 0),
    created_at timestamptz not null,
    committed_at timestamptz,
    finished_at timestamptz,
    transaction_hash text not null,
    failure_reason text not null,
    failure_message text not null,
    -- The request that the running commit answers.
    scope text not null,
    key text not null,
    fingerprint bytea not null,
    request_id text not null,
    lease_until timestamptz not null,
    lease_epoch bigint not null,
    primary key (marketplace_id, id),
    foreign key (marketplace_id, user_id) references orders.users (marketplace_id, id),
    constraint withdrawals_memo check ((memo_type is null) = (memo is null)),
    -- What is held is being carried out, and what has ended is not.
    constraint withdrawals_pending check (state <> 'PENDING' or in_progress),
    constraint withdrawals_ended check (
        (finished_at is null) = (state in ('CREATED', 'PENDING'))
        and (finished_at is null or not in_progress)),
    constraint withdrawals_turned_down check (
        not is_turned_down or state = 'CREATED' and in_progress),
    constraint withdrawals_committed check (not in_progress or commits > 0),
    constraint withdrawals_hash check ((transaction_hash <> '') = (state = 'COMPLETED')),
    constraint withdrawals_failure check ((failure_reason <> '') = (state = 'FAILED'))
);
create index withdrawals_in_progress on orders.withdrawals (committed_at) where in_progress;
create index withdrawals_of_user on orders.withdrawals (marketplace_id, user_id, id);
create index withdrawals_reference on orders.withdrawals (marketplace_id, reference, id)
    where reference <> '';
grant select, insert on orders.withdrawals to orders;
grant update (state, in_progress, is_turned_down, commits, version, committed_at, finished_at,
              transaction_hash, failure_reason, failure_message, scope, key, fingerprint,
              request_id, lease_until, lease_epoch) on orders.withdrawals to orders;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(WITHDRAWALS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
