"""Users, orders, operations, outbox, idempotency."""

from alembic import op

from chassis import idempotency, outbox

revision = "orders_0001"
down_revision = None
branch_labels = None
depends_on = None

USERS = """
create table orders.users (
    marketplace_id uuid not null,
    id uuid not null,
    public_id text not null check (public_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    external_user_id text not null check (length(external_user_id) between 1 and 255),
    email text not null default '',
    type text not null check (type in ('BUYER', 'SELLER', 'BOTH')),
    wallet_address text not null default '',
    provisioned_at timestamptz,
    created_at timestamptz not null,
    primary key (marketplace_id, id),
    constraint users_public_id unique (marketplace_id, public_id),
    constraint users_external_id unique (marketplace_id, external_user_id)
);
create index users_unprovisioned on orders.users (created_at) where provisioned_at is null;
"""

ORDERS = """
create table orders.orders (
    marketplace_id uuid not null,
    id uuid not null,
    buyer_id uuid not null,
    buyer_public_id text not null,
    seller_id uuid not null,
    seller_public_id text not null,
    asset text not null,
    currency text not null,
    amount bigint not null check (amount > 0 and amount % 100000 = 0),
    title text not null,
    description text not null,
    state text not null check (state in (
        'ORDER_CREATED', 'FUNDS_RESERVED', 'ESCROW_CREATING', 'ESCROW_FUNDING', 'ESCROW_FUNDED',
        'IN_PROGRESS', 'RELEASE_REQUESTED', 'RELEASED', 'REFUND_REQUESTED', 'REFUNDED',
        'DISPUTED', 'CLOSED')),
    final_status text check (final_status in ('RELEASED', 'REFUNDED', 'CANCELED')),
    origin text not null check (origin in ('MARKETPLACE', 'PARTY')),
    client_order_ref text not null default '',
    milestones text not null default '[]',
    metadata_json text not null default '',
    platform_fee_bps integer not null check (platform_fee_bps between 0 and 9900),
    platform_fee bigint not null check (platform_fee >= 0),
    escrow_id uuid,
    escrow_contract_id text not null default '',
    escrow_status text not null default '',
    escrow_last_error text not null default '',
    dispute_id uuid,
    dispute_opened_by text,
    dispute_reason text,
    dispute_opened_at timestamptz,
    dispute_decision text,
    dispute_resolved_at timestamptz,
    delivery_notes text not null default '',
    delivery_url text not null default '',
    delivered_at timestamptz,
    version bigint not null check (version > 0),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    reserved_at timestamptz,
    funded_at timestamptz,
    confirmed_at timestamptz,
    released_at timestamptz,
    refunded_at timestamptz,
    closed_at timestamptz,
    released_amount bigint not null default 0 check (released_amount >= 0),
    refunded_amount bigint not null default 0 check (refunded_amount >= 0),
    provider_fee bigint not null default 0 check (provider_fee >= 0),
    delta_score_tenths integer check (delta_score_tenths between 0 and 100),
    ended_by text check (ended_by in ('BUYER', 'SELLER', 'SUPPORT', 'SYSTEM')),
    -- The status the parties see (reference of the two views).
    party_status text not null generated always as (
        case
            when final_status = 'RELEASED' then 'completed'
            when final_status = 'REFUNDED' then 'refunded'
            when final_status = 'CANCELED' then 'cancelled'
            when state = 'DISPUTED' then 'disputed'
            when state in ('ORDER_CREATED', 'FUNDS_RESERVED', 'ESCROW_CREATING', 'ESCROW_FUNDING')
                then 'pending_payment'
            when delivered_at is not null then 'delivered'
            else 'paid'
        end
    ) stored,
    intention_id text not null default '',
    contract_template_id text not null default '',
    contract_id text not null default '',
    contract_terms_json text not null default '',
    primary key (marketplace_id, id),
    check (buyer_id <> seller_id),
    check ((state = 'CLOSED') = (final_status is not null)),
    check ((state = 'CLOSED') = (closed_at is not null)),
    foreign key (marketplace_id, buyer_id) references orders.users (marketplace_id, id),
    foreign key (marketplace_id, seller_id) references orders.users (marketplace_id, id)
);
create unique index orders_client_ref on orders.orders (marketplace_id, client_order_ref)
    where client_order_ref <> '';
create unique index orders_dispute on orders.orders (marketplace_id, dispute_id)
    where dispute_id is not null;
create index orders_buyer on orders.orders (marketplace_id, buyer_id, id desc);
create index orders_seller on orders.orders (marketplace_id, seller_id, id desc);
create index orders_state on orders.orders (marketplace_id, state, id desc);
create index orders_buyer_status on orders.orders (marketplace_id, buyer_id, party_status, id desc);
create index orders_seller_status
    on orders.orders (marketplace_id, seller_id, party_status, id desc);
create index orders_delivered on orders.orders (delivered_at)
    where state = 'IN_PROGRESS' and delivered_at is not null;
"""

# How many orders a party has by status, so that a list of 100,000 can tell its total at once. A
# change appends; a background loop folds what was appended into the totals, so that no row is
# fought over.
TOTALS = """
create table orders.party_totals (
    marketplace_id uuid not null,
    user_id uuid not null,
    is_seller boolean not null,
    status text not null,
    total bigint not null check (total >= 0),
    primary key (marketplace_id, user_id, is_seller, status)
);
create table orders.party_changes (
    marketplace_id uuid not null,
    user_id uuid not null,
    is_seller boolean not null,
    status text not null,
    change integer not null
);
create index party_changes_user on orders.party_changes (marketplace_id, user_id, is_seller);
create function orders.count_parties() returns trigger language plpgsql as $$
begin
    insert into orders.party_changes (marketplace_id, user_id, is_seller, status, change)
    values (new.marketplace_id, new.buyer_id, false, new.party_status, 1),
           (new.marketplace_id, new.seller_id, true, new.party_status, 1);
    if tg_op = 'UPDATE' then
        insert into orders.party_changes (marketplace_id, user_id, is_seller, status, change)
        values (old.marketplace_id, old.buyer_id, false, old.party_status, -1),
               (old.marketplace_id, old.seller_id, true, old.party_status, -1);
    end if;
    return null;
end $$;
create trigger count_new after insert on orders.orders
    for each row execute function orders.count_parties();
create trigger count_moved after update on orders.orders
    for each row when (old.party_status is distinct from new.party_status)
    execute function orders.count_parties();
"""

OPERATIONS = """
create table orders.operations (
    id uuid primary key,
    marketplace_id uuid not null,
    order_id uuid not null,
    kind text not null,
    state text not null check (state in ('running', 'succeeded', 'failed')),
    step text not null default '',
    scope text not null,
    key text not null,
    fingerprint bytea not null,
    context text not null,
    actor text not null,
    request_id text not null,
    error text not null default '',
    attempts integer not null default 0,
    lease_until timestamptz not null,
    lease_epoch integer not null,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    foreign key (marketplace_id, order_id) references orders.orders (marketplace_id, id)
);
-- One operation in motion per order: release, refund, dispute and cancel exclude each other here.
create unique index operations_one_running on orders.operations (marketplace_id, order_id)
    where state = 'running';
create index operations_lease on orders.operations (lease_until) where state = 'running';
create index operations_order on orders.operations (marketplace_id, order_id);
"""


MARKETPLACES = """
create table orders.marketplaces (
    id uuid primary key,
    allows_manual_credit boolean not null default false,
    platform_fee_bps_marketplace integer check (platform_fee_bps_marketplace between 0 and 9900),
    platform_fee_bps_party integer check (platform_fee_bps_party between 0 and 9900),
    auto_confirm_days integer not null default 7 check (auto_confirm_days between 1 and 365)
);
create table orders.credits (
    id uuid not null unique,
    marketplace_id uuid not null,
    user_id uuid not null,
    user_public_id text not null,
    amount bigint not null check (amount > 0 and amount % 100000 = 0),
    reference text not null check (length(reference) between 1 and 255),
    description text not null,
    state text not null default 'RUNNING' check (state in ('RUNNING', 'SUCCEEDED')),
    transaction_hash text not null default '',
    created_at timestamptz not null,
    finished_at timestamptz,
    primary key (marketplace_id, reference),
    foreign key (marketplace_id, user_id) references orders.users (marketplace_id, id)
);
create index credits_running on orders.credits (created_at) where state = 'RUNNING';
"""


def upgrade() -> None:
    """Make the schema's tables and grant the role what it needs."""
    op.execute(USERS)
    op.execute(ORDERS)
    op.execute(TOTALS)
    op.execute(OPERATIONS)
    op.execute(MARKETPLACES)
    op.execute(outbox.DDL.format(schema="orders"))
    op.execute(idempotency.DDL.format(schema="orders"))
    op.execute("grant select, insert, update on orders.users, orders.orders to orders")
    op.execute("grant select, insert, update on orders.operations, orders.credits to orders")
    op.execute("grant select on orders.marketplaces to orders")
    op.execute("grant select, insert, update on orders.party_totals to orders")
    op.execute("grant select, insert, delete on orders.party_changes to orders")
    op.execute("grant select, insert on orders.outbox to orders")
    op.execute("grant update (published_at) on orders.outbox to orders")
    op.execute("grant select, insert, update, delete on orders.idempotency to orders")


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
