"""Deadlines of orders, and the clock of a test marketplace."""

from alembic import op

revision = "orders_0013"
down_revision = "orders_0012"
branch_labels = None
depends_on = None

SETTINGS = """
alter table orders.marketplaces
    add column reservation_days integer not null default 7
        check (reservation_days between 1 and 365),
    add column funding_days integer not null default 7 check (funding_days between 1 and 365),
    add column delivery_days integer not null default 30 check (delivery_days between 1 and 365),
    add column decision_days integer not null default 14 check (decision_days between 1 and 365),
    add column warning_hours integer not null default 24 check (warning_hours between 1 and 720),
    add column clock_offset_seconds bigint not null default 0
        check (clock_offset_seconds between 0 and 316224000);
grant insert (id, clock_offset_seconds), update (clock_offset_seconds)
    on orders.marketplaces to orders;
"""

# Orders that rest today begin to rest now, except deliveries: their days have been running.
# The trigger counts for every version of the service that writes an order.
RESTS = """
alter table orders.orders
    add column rests_since timestamptz not null default now(),
    add column deadline_told text not null default ''
        check (deadline_told in ('', 'warned', 'passed'));
update orders.orders set rests_since = delivered_at
    where state = 'IN_PROGRESS' and delivered_at is not null;
create function orders.time_of(marketplace uuid) returns timestamptz language sql stable as $$
    select now() + make_interval(secs => coalesce(
        (select clock_offset_seconds from orders.marketplaces where id = marketplace), 0))
$$;
create function orders.note_rest() returns trigger language plpgsql as $$
begin
    new.rests_since := orders.time_of(new.marketplace_id);
    new.deadline_told := '';
    return new;
end $$;
create trigger note_rest before update on orders.orders for each row
    when (old.state is distinct from new.state
          or old.delivered_at is null and new.delivered_at is not null)
    execute function orders.note_rest();
create index orders_rests on orders.orders (state, deadline_told, rests_since)
    where state in ('FUNDS_RESERVED', 'ESCROW_CREATING', 'DISPUTED');
create index orders_undelivered on orders.orders (deadline_told, rests_since)
    where state = 'IN_PROGRESS' and delivered_at is null;
drop index orders.orders_delivered;
create index orders_delivered on orders.orders (deadline_told, rests_since)
    where state = 'IN_PROGRESS' and delivered_at is not null;
"""


def upgrade() -> None:
    """Add the settings, the clocks and the rests."""
    op.execute(SETTINGS)
    op.execute(RESTS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
