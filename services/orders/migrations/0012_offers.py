"""Offers of one side of an order to the other."""

from alembic import op

revision = "orders_0012"
down_revision = "orders_0011"
branch_labels = None
depends_on = None

# One offer of an order is open at a time. The two parts are the order's amount together.
OFFERS = """
create table orders.offers (
    marketplace_id uuid not null,
    id uuid not null,
    order_id uuid not null,
    offered_by text not null check (offered_by in ('BUYER', 'SELLER')),
    refund bigint not null check (refund > 0 and refund % 100000 = 0),
    release bigint not null check (release > 0 and release % 100000 = 0),
    message text not null check (length(message) <= 1000),
    state text not null check (state in ('OPEN', 'ACCEPTED', 'DECLINED', 'LAPSED')),
    version bigint not null check (version > 0),
    created_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > created_at),
    decided_at timestamptz,
    decided_by text check (decided_by in ('BUYER', 'SELLER') and decided_by <> offered_by),
    primary key (marketplace_id, id),
    foreign key (marketplace_id, order_id) references orders.orders (marketplace_id, id),
    check ((state = 'OPEN') = (decided_at is null)),
    check ((state in ('ACCEPTED', 'DECLINED')) = (decided_by is not null))
);
create unique index offers_one_open on orders.offers (marketplace_id, order_id)
    where state = 'OPEN';
create index offers_order on orders.offers (marketplace_id, order_id, id desc);
create index offers_overdue on orders.offers (expires_at) where state = 'OPEN';
grant select, insert on orders.offers to orders;
grant update (state, version, decided_at, decided_by) on orders.offers to orders;
"""


def upgrade() -> None:
    """Make the table."""
    op.execute(OFFERS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
