"""Rules for withdrawals, their approval by a second key, and the end of a closed order's offer."""

from alembic import op

revision = "orders_0015"
down_revision = "orders_0014"
branch_labels = None
depends_on = None

# A column that is null is a rule that is off.
RULES = """
alter table orders.marketplaces
    add column withdrawal_least bigint check (withdrawal_least > 0),
    add column withdrawal_most bigint check (withdrawal_most > 0),
    add column withdrawal_most_per_day bigint check (withdrawal_most_per_day > 0),
    add column withdrawal_destinations text[] check (cardinality(withdrawal_destinations) <= 100),
    add column new_destination_hours integer check (new_destination_hours between 1 and 720),
    add column approval_above bigint check (approval_above >= 0),
    add column approval_hours integer not null default 72 check (approval_hours between 1 and 720);
"""
# named_at, counted_at: by the marketplace's clock. The defaults are for the version before, which
# does not write them.
APPROVALS = """
alter table orders.withdrawals
    add column named_at timestamptz not null default now(),
    add column counted_at timestamptz not null default now(),
    add column created_by text not null default '',
    add column committed_by text not null default '',
    add column approved_by text not null default '',
    add column approval_ends_at timestamptz;
update orders.withdrawals
    set named_at = created_at, counted_at = coalesce(committed_at, created_at);
alter table orders.withdrawals
    drop constraint withdrawals_state_check,
    drop constraint withdrawals_ended,
    drop constraint withdrawals_turned_down,
    add constraint withdrawals_state_check check (state in
        ('CREATED', 'AWAITING_APPROVAL', 'PENDING', 'COMPLETED', 'FAILED', 'CANCELED')),
    add constraint withdrawals_ended check (
        (finished_at is null) = (state in ('CREATED', 'AWAITING_APPROVAL', 'PENDING'))
        and (finished_at is null or not in_progress)),
    add constraint withdrawals_turned_down check (
        not is_turned_down or state in ('CREATED', 'AWAITING_APPROVAL') and in_progress),
    -- What once waited for an approval is carried out only with the approval of another key.
    add constraint withdrawals_awaiting check (
        state <> 'AWAITING_APPROVAL' or approval_ends_at is not null),
    add constraint withdrawals_approved check (
        approval_ends_at is null or state = 'CANCELED'
        or (approved_by <> '') = (state <> 'AWAITING_APPROVAL' or in_progress)),
    add constraint withdrawals_approver check (
        approved_by = '' or approved_by not in (created_by, committed_by));
create index withdrawals_counted on orders.withdrawals (marketplace_id, user_id, counted_at);
create index withdrawals_named
    on orders.withdrawals (marketplace_id, user_id, destination, named_at);
create index withdrawals_awaiting on orders.withdrawals (approval_ends_at)
    where state = 'AWAITING_APPROVAL' and not in_progress;
grant update (counted_at, committed_by, approved_by, approval_ends_at)
    on orders.withdrawals to orders;
"""
# The time of an open offer is over when its order is closed; the timer then lets it lapse.
OFFERS = """
create function orders.end_offer() returns trigger language plpgsql as $$
begin
    update orders.offers set expires_at = greatest(now(), created_at + interval '1 microsecond')
    where marketplace_id = new.marketplace_id and order_id = new.id and state = 'OPEN'
        and expires_at > now();
    return null;
end $$;
grant update (expires_at) on orders.offers to orders;
create trigger end_offer after update on orders.orders for each row
    when (old.state <> 'CLOSED' and new.state = 'CLOSED')
    execute function orders.end_offer();
update orders.offers f set expires_at = greatest(now(), f.created_at + interval '1 microsecond')
    from orders.orders o
    where f.state = 'OPEN' and f.expires_at > now() and o.marketplace_id = f.marketplace_id
        and o.id = f.order_id and o.state = 'CLOSED';
"""


def upgrade() -> None:
    """Add the rules, what they are checked against, and the end of offers."""
    op.execute(RULES)
    op.execute(APPROVALS)
    op.execute(OFFERS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
