"""The two parties of a case, so that people can see and change only their own cases."""

from alembic import op

revision = "disputes_0002"
down_revision = "disputes_0001"
branch_labels = None
depends_on = None

# Null: an older case whose order is not in this database. No user can see it.
COLUMNS = """
alter table disputes.disputes
    add column buyer_id uuid,
    add column seller_id uuid,
    add check ((buyer_id is null) = (seller_id is null)),
    add check (buyer_id <> seller_id);
"""

# Once, by the database's admin: the service itself cannot read another schema.
KNOWN = """
do $$
begin
    if to_regclass('orders.orders') is not null then
        update disputes.disputes d set buyer_id = o.buyer_id, seller_id = o.seller_id
        from orders.orders o
        where o.marketplace_id = d.marketplace_id and o.id = d.order_id;
    end if;
end
$$;
"""


def upgrade() -> None:
    """Add the columns, and fill them for the cases there are."""
    op.execute(COLUMNS)
    op.execute(KNOWN)


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
