"""Schema escrow: wallets, contracts, commands with their steps, attempts, payments; deposits."""

from alembic import op

from chassis import idempotency, outbox

revision = "escrow_0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "escrow"

KEYS = """
-- One row: the wallet that deploys, resolves, sponsors and makes good.
create table {schema}.platform (
    address text primary key,
    sealed jsonb not null,
    is_only boolean not null default true unique check (is_only)
);

-- Accounts that pay the network's fees. A step leases one until all its attempts are final. One
-- whose lumens run out is retired and another made.
create table {schema}.channels (
    address text primary key,
    sealed jsonb not null,
    next_sequence bigint check (next_sequence > 0),
    leased_by uuid unique,
    is_retired boolean not null default false
);

create table {schema}.wallets (
    marketplace_id uuid not null,
    id uuid not null,
    user_id uuid not null,
    user_public_id text not null,
    address text not null unique,
    sealed jsonb not null,
    state text not null check (state in ('CREATING', 'ACTIVE', 'FAILED')),
    created_at timestamptz not null,
    primary key (marketplace_id, id),
    unique (marketplace_id, user_id)
);
"""

ESCROWS = """
create table {schema}.escrows (
    marketplace_id uuid not null,
    id uuid not null,
    order_id uuid not null,
    contract_id text not null unique,
    wasm_hash text not null,
    buyer_wallet_id uuid not null,
    seller_wallet_id uuid not null,
    amount bigint not null check (amount > 0 and amount % 100000 = 0),
    title text not null,
    description text not null,
    milestones text[] not null check (cardinality(milestones) between 1 and 50),
    platform_fee_bps integer not null check (platform_fee_bps between 0 and 9900),
    state text not null check (state in (
        'CREATING', 'CREATED', 'FUNDING', 'FUNDED', 'RELEASING', 'RELEASED', 'REFUNDING',
        'REFUNDED', 'FREEZING', 'DISPUTED', 'RESOLVING', 'RESOLVED', 'FAILED')),
    version bigint not null default 0 check (version >= 0),
    created_at timestamptz not null,
    funded_at timestamptz,
    closed_at timestamptz,
    last_error text not null default '',
    primary key (marketplace_id, id),
    foreign key (marketplace_id, buyer_wallet_id) references {schema}.wallets (marketplace_id, id),
    foreign key (marketplace_id, seller_wallet_id)
        references {schema}.wallets (marketplace_id, id),
    check (buyer_wallet_id <> seller_wallet_id),
    check ((closed_at is null) = (state not in ('RELEASED', 'REFUNDED', 'RESOLVED')))
);
-- An order may try another contract only where the one before came to nothing.
create unique index escrows_one_per_order
    on {schema}.escrows (marketplace_id, order_id) where state <> 'FAILED';
create index escrows_order on {schema}.escrows (marketplace_id, order_id, created_at);
"""

COMMANDS = """
create table {schema}.commands (
    marketplace_id uuid not null,
    id uuid not null,
    kind text not null check (kind in (
        'CREATE_WALLET', 'CREATE', 'FUND', 'RELEASE', 'REFUND', 'FREEZE', 'RESOLVE',
        'CREDIT_WALLET')),
    state text not null check (state in ('RUNNING', 'SUCCEEDED', 'FAILED', 'QUARANTINED')),
    escrow_id uuid,
    wallet_id uuid,
    was_frozen boolean not null default false,
    correlation_id text not null,
    lease_until timestamptz not null default 'epoch',
    lease_epoch bigint not null default 0,
    next_attempt_at timestamptz not null default 'epoch',
    error_reason text not null default '',
    error_message text not null default '',
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (marketplace_id, id),
    foreign key (marketplace_id, escrow_id) references {schema}.escrows (marketplace_id, id),
    foreign key (marketplace_id, wallet_id) references {schema}.wallets (marketplace_id, id),
    check ((escrow_id is null) <> (wallet_id is null)),
    check ((finished_at is null) = (state in ('RUNNING', 'QUARANTINED')))
);
-- Commands on one escrow exclude each other.
create unique index commands_one_in_motion
    on {schema}.commands (marketplace_id, escrow_id) where state in ('RUNNING', 'QUARANTINED');
create index commands_due on {schema}.commands (created_at) where state = 'RUNNING';
create index commands_escrow on {schema}.commands (marketplace_id, escrow_id);
create index commands_wallet on {schema}.commands (marketplace_id, wallet_id);

create table {schema}.steps (
    id uuid primary key,
    marketplace_id uuid not null,
    command_id uuid not null,
    position integer not null check (position >= 0),
    name text not null,
    terms jsonb not null,
    state text not null check (state in ('PLANNED', 'SUCCEEDED', 'SKIPPED', 'REFUSED')),
    source text references {schema}.channels (address),
    sequence bigint check (sequence > 0),
    unique (marketplace_id, command_id, position),
    foreign key (marketplace_id, command_id) references {schema}.commands (marketplace_id, id),
    check ((source is null) = (sequence is null))
);
alter table {schema}.channels
    add foreign key (leased_by) references {schema}.steps (id);
"""

EVIDENCE = """
-- A signed envelope; the row is committed before the first byte is sent.
create table {schema}.attempts (
    hash text primary key,
    step_id uuid not null references {schema}.steps (id),
    number integer not null check (number > 0),
    source text not null,
    sequence bigint not null,
    envelope_xdr text not null,
    max_time bigint not null,
    auth_expires_ledger bigint not null,
    max_fee bigint not null,
    network text not null,
    prepared_at_ledger bigint not null,
    state text not null check (state in ('SENT', 'SUCCEEDED', 'FAILED', 'EXPIRED')),
    ledger bigint,
    code text not null default '',
    created_at timestamptz not null,
    unique (step_id, number)
);
-- The network uses a sequence number once; so do we.
create unique index attempts_one_in_flight
    on {schema}.attempts (source, sequence) where state = 'SENT';
create unique index attempts_one_landed
    on {schema}.attempts (source, sequence) where state in ('SUCCEEDED', 'FAILED');
-- A step pays once.
create unique index attempts_one_success
    on {schema}.attempts (step_id) where state = 'SUCCEEDED';

-- What the chain reports paid.
create table {schema}.payments (
    transaction_hash text not null references {schema}.attempts (hash),
    event_index integer not null,
    step_id uuid not null references {schema}.steps (id),
    payee text not null check (payee in (
        'CONTRACT', 'SELLER', 'BUYER', 'PLATFORM', 'PROVIDER', 'WALLET')),
    from_address text not null,
    to_address text not null,
    minor_units bigint not null check (minor_units > 0),
    is_absorbed_fee boolean not null,
    primary key (transaction_hash, event_index)
);
create index payments_step on {schema}.payments (step_id);

-- How far the watcher has read; saved with what it found.
create table {schema}.cursors (
    asset_contract text primary key,
    position text not null
);

-- Money from outside at a wallet of ours, each told once.
create table {schema}.deposits (
    id uuid primary key,
    marketplace_id uuid not null,
    wallet_id uuid not null,
    event_id text not null unique,
    transaction_hash text not null,
    ledger bigint not null,
    from_address text not null,
    memo text not null,
    minor_units bigint not null check (minor_units > 0),
    created_at timestamptz not null,
    foreign key (marketplace_id, wallet_id) references {schema}.wallets (marketplace_id, id)
);
"""

GRANTS = """
grant select, insert on all tables in schema {schema} to {schema};
grant update (published_at) on {schema}.outbox to {schema};
grant update, delete on {schema}.idempotency to {schema};
grant update (next_sequence, leased_by, sealed, is_retired) on {schema}.channels to {schema};
grant update (state, sealed) on {schema}.wallets to {schema};
grant update (state, version, funded_at, closed_at, last_error) on {schema}.escrows to {schema};
grant update (state, lease_until, lease_epoch, next_attempt_at, error_reason, error_message,
              finished_at) on {schema}.commands to {schema};
grant update (state, source, sequence) on {schema}.steps to {schema};
grant update (state, ledger, code) on {schema}.attempts to {schema};
grant update (sealed) on {schema}.platform to {schema};
grant update on {schema}.cursors to {schema};
grant usage on all sequences in schema {schema} to {schema};
"""


def upgrade() -> None:
    """Make the tables."""
    parts = (KEYS, ESCROWS, COMMANDS, EVIDENCE, outbox.DDL, idempotency.DDL, GRANTS)
    for part in parts:
        op.execute(part.format(schema=SCHEMA))


def downgrade() -> None:
    """Refuse: what happened to money is not forgotten."""
    raise RuntimeError("the record of money is never dropped")
