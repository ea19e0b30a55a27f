"""The tables of the schema disputes; migrations/ creates them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

disputes = sa.Table(
    "disputes",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("buyer_id", sa.Uuid),
    sa.Column("seller_id", sa.Uuid),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("opened_by", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("initiated_by", sa.Uuid),
    sa.Column("evidence", ARRAY(sa.Text), nullable=False),
    sa.Column("contract_snapshot_json", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("minor_units", sa.BigInteger, nullable=False),
    sa.Column("assigned_to", sa.Text, nullable=False),
    sa.Column("assigned_to_name", sa.Text, nullable=False),
    sa.Column("assignment_notes", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("resolved_at", sa.DateTime(timezone=True)),
    sa.Column("first_answer_due_at", sa.DateTime(timezone=True)),
    sa.Column("first_answered_at", sa.DateTime(timezone=True)),
    sa.Column("decision_due_at", sa.DateTime(timezone=True)),
    sa.Column("overdue_told", ARRAY(sa.Text), nullable=False),
    # Derived columns for the indexes: the next due moment to be published, and the earliest
    # published due moment whose wait continues.
    sa.Column("untold_due_at", sa.DateTime(timezone=True)),
    sa.Column("overdue_since", sa.DateTime(timezone=True)),
)

# The offsets by which test marketplaces have moved their clocks.
clocks = sa.Table(
    "clocks",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("offset_seconds", sa.BigInteger, nullable=False),
)

# Rulings are never deleted. A withdrawal sets withdrawn_at and withdrawn_why.
rulings = sa.Table(
    "rulings",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("dispute_id", sa.Uuid, primary_key=True),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("release_minor_units", sa.BigInteger, nullable=False),
    sa.Column("refund_minor_units", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("resolved_by", sa.Text, nullable=False),
    sa.Column("resolved_by_name", sa.Text, nullable=False),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
    sa.Column("withdrawn_why", sa.Text),
)


def _remarks(name: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("marketplace_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("dispute_id", sa.Uuid, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("author_id", sa.Text, nullable=False),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


# Parties may read messages but not notes, so the two have separate tables.
messages = _remarks("messages")
notes = _remarks("notes")
