"""What was released of an order, and what the platform took of it: kept, no longer derived."""

from alembic import op

revision = "orders_0002"
down_revision = "orders_0001"
branch_labels = None
depends_on = None

COLUMNS = """
alter table orders.orders
    add column released_share bigint not null default 0 check (released_share >= 0),
    add column charged_fee bigint not null default 0 check (charged_fee >= 0);
"""

# Of a SPLIT, the seller's share stands with the operation that paid it out.
SHARES = """
update orders.orders o set released_share = coalesce(
    (select (p.context::jsonb ->> 'release')::bigint from orders.operations p
     where p.marketplace_id = o.marketplace_id and p.order_id = o.id
        and p.kind = 'RESOLVE_DISPUTE' and p.state = 'succeeded'),
    o.amount)
where o.final_status = 'RELEASED';
"""

# The platform's fee in whole cents, where the seller bore nothing else; otherwise what is left of
# the difference after the seller's part of the provider's fee.
FEES = """
update orders.orders o set charged_fee = greatest(0, case
    when o.released_share - o.released_amount
        = div(o.released_share::numeric * o.platform_fee_bps + 500000000, 1000000000) * 100000
    then o.released_share - o.released_amount
    else o.released_share - o.released_amount
        - div(o.provider_fee::numeric * o.released_share, o.amount)
end)
where o.final_status = 'RELEASED';
"""


def upgrade() -> None:
    """Add the columns, and fill them for the orders that have ended."""
    op.execute(COLUMNS)
    op.execute(SHARES)
    op.execute(FEES)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
