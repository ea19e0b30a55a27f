"""The tables of the schema ledger; migrations/ creates them."""

import sqlalchemy as sa

metadata = sa.MetaData()
_INSTANT = sa.DateTime(timezone=True)

# The accounts of users and escrows have their figures here. A house account's balance is the sum of
# its entries.
accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, sa.Computed("split_part(name, ':', 1)"), nullable=False),
    sa.Column("public_id", sa.Text),
    sa.Column("credits", sa.BigInteger, nullable=False),
    sa.Column("debits", sa.BigInteger, nullable=False),
    sa.Column("holds", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("opened_at", _INSTANT, nullable=False),
)
transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("type", sa.SmallInteger, nullable=False),
    sa.Column("code", sa.SmallInteger, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("debit_account", sa.Text, nullable=False),
    sa.Column("credit_account", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("pending_id", sa.Uuid),
    sa.Column("order_id", sa.Uuid),
    sa.Column("transaction_hash", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", _INSTANT, nullable=False),
)
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("version", sa.BigInteger),
    sa.Column("transfer_id", sa.Uuid, nullable=False),
    sa.Column("available_change", sa.BigInteger, nullable=False),
    sa.Column("reserved_change", sa.BigInteger, nullable=False),
    sa.Column("available_after", sa.BigInteger),
    sa.Column("reserved_after", sa.BigInteger),
)
suspense = sa.Table(
    "suspense",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("transfer_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("user_id", sa.Uuid),
    sa.Column("memo", sa.Text, nullable=False),
    sa.Column("credited_by", sa.Uuid),
)
corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("debit_account", sa.Text, nullable=False),
    sa.Column("credit_account", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence_hash", sa.Text, nullable=False),
    sa.Column("settles", sa.Text, nullable=False),
    sa.Column("order_id", sa.Uuid),
    sa.Column("transaction_hash", sa.Text, nullable=False),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
)
correction_decisions = sa.Table(
    "correction_decisions",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("correction_id", sa.Uuid, primary_key=True),
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=False),
    sa.Column("decided_at", _INSTANT, nullable=False),
    sa.Column("transfer_id", sa.Uuid),
)

# The columns that store.transfer_of reads.
TRANSFER = (
    transfers.c.id,
    transfers.c.type,
    transfers.c.code,
    transfers.c.debit_account,
    transfers.c.credit_account,
    transfers.c.asset,
    transfers.c.amount,
    transfers.c.pending_id,
    transfers.c.order_id,
    transfers.c.transaction_hash,
    transfers.c.reason,
    transfers.c.at,
)
