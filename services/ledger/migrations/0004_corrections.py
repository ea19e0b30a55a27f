"""Proposed corrections and the decisions on them; both are append-only."""

from alembic import op

revision = "ledger_0004"
down_revision = "ledger_0003"
branch_labels = None
depends_on = None

CORRECTIONS = """
create table ledger.corrections (
    marketplace_id uuid not null,
    id uuid not null,
    number bigint not null generated always as identity,
    debit_account text not null,
    credit_account text not null,
    asset text not null,
    amount bigint not null,
    reason text not null,
    evidence_hash text not null,
    settles text not null,
    order_id uuid,
    transaction_hash text not null,
    proposed_by text not null,
    proposed_at timestamptz not null default now(),
    expires_at timestamptz not null,
    primary key (marketplace_id, id),
    constraint corrections_proposer unique (marketplace_id, id, proposed_by),
    constraint corrections_amount_positive check (amount > 0),
    constraint corrections_two_accounts check (debit_account <> credit_account),
    constraint corrections_evidence check (evidence_hash ~ '^[0-9a-f]{64}$'),
    constraint corrections_named check (proposed_by <> '' and reason <> '')
);
create index corrections_listed on ledger.corrections (marketplace_id, number);
"""
# Two people: the row of a decision names the proposer too, and the two differ.
DECISIONS = """
create table ledger.correction_decisions (
    marketplace_id uuid not null,
    correction_id uuid not null,
    proposed_by text not null,
    verdict text not null,
    decided_by text not null,
    decided_at timestamptz not null default now(),
    transfer_id uuid,
    primary key (marketplace_id, correction_id),
    constraint correction_decisions_correction
        foreign key (marketplace_id, correction_id, proposed_by)
        references ledger.corrections (marketplace_id, id, proposed_by),
    constraint correction_decisions_transfer foreign key (marketplace_id, transfer_id)
        references ledger.transfers (marketplace_id, id) deferrable initially deferred,
    constraint correction_decisions_verdict check (verdict in ('approved', 'rejected')),
    constraint correction_decisions_posted
        check ((verdict = 'approved') = (transfer_id is not null)),
    constraint correction_decisions_two_people
        check (decided_by <> '' and (verdict = 'rejected' or decided_by <> proposed_by))
);
grant select, insert on ledger.corrections, ledger.correction_decisions to ledger;
"""


def upgrade() -> None:
    """Make the tables; the service can only add to them."""
    op.execute(CORRECTIONS)
    op.execute(DECISIONS)


def downgrade() -> None:
    """Refuse: money records are never dropped by a tool."""
    raise RuntimeError("migrations go forward only")
