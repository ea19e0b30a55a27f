"""Cases and their rulings; outbox and idempotency."""

from alembic import op

from chassis import idempotency, outbox

revision = "disputes_0001"
down_revision = None
branch_labels = None
depends_on = None

CASES = """
create table disputes.disputes (
    marketplace_id uuid not null,
    id uuid not null,
    order_id uuid not null,
    status text not null check (status in ('OPEN', 'UNDER_REVIEW', 'RESOLVED')),
    opened_by text not null check (opened_by in ('BUYER', 'SELLER')),
    reason text not null check (reason in ('NOT_DELIVERED', 'QUALITY_ISSUE', 'OTHER')),
    description text not null,
    initiated_by uuid,
    evidence text[] not null,
    contract_snapshot_json text not null,
    asset text not null,
    minor_units bigint not null check (minor_units > 0),
    assigned_to text not null,
    assignment_notes text not null,
    version bigint not null check (version > 0),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    resolved_at timestamptz,
    primary key (marketplace_id, id),
    check ((status = 'RESOLVED') = (resolved_at is not null))
);
create unique index disputes_one_open on disputes.disputes (marketplace_id, order_id)
    where status <> 'RESOLVED';
create index disputes_newest on disputes.disputes (marketplace_id, created_at desc, id desc);
create index disputes_of_order on disputes.disputes (marketplace_id, order_id, created_at desc);
"""

RULINGS = """
create table disputes.rulings (
    marketplace_id uuid not null,
    dispute_id uuid not null,
    decision text not null check (decision in ('FULL_RELEASE', 'FULL_REFUND', 'SPLIT')),
    release_minor_units bigint not null check (release_minor_units >= 0),
    refund_minor_units bigint not null check (refund_minor_units >= 0),
    note text not null,
    resolved_by text not null,
    decided_at timestamptz not null,
    primary key (marketplace_id, dispute_id),
    foreign key (marketplace_id, dispute_id) references disputes.disputes (marketplace_id, id),
    check ((decision = 'FULL_RELEASE') = (refund_minor_units = 0)),
    check ((decision = 'FULL_REFUND') = (release_minor_units = 0))
);
"""

# The role can neither delete a case nor change a ruling. Of an event it can only set published_at.
GRANTS = """
grant select, insert, update on disputes.disputes to disputes;
grant select, insert on disputes.rulings to disputes;
grant select, insert on disputes.outbox to disputes;
grant update (published_at) on disputes.outbox to disputes;
grant select, insert, update, delete on disputes.idempotency to disputes;
"""


def upgrade() -> None:
    """Make the tables and what the role may do with them."""
    for statements in (CASES, RULINGS, outbox.DDL, idempotency.DDL, GRANTS):
        op.execute(statements.replace("{schema}", "disputes"))


def downgrade() -> None:
    """Refuse: a schema goes forward only."""
    raise RuntimeError("migrations go forward only")
