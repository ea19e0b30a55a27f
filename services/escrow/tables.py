"""The tables of schema `escrow` for SQLAlchemy Core. Only migrations create them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = sa.MetaData()
_INSTANT = sa.DateTime(timezone=True)

platform = sa.Table(
    "platform",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("sealed", JSONB),
    sa.Column("last_sequence", sa.BigInteger),
    sa.Column("seen_ledger", sa.BigInteger),
)

resolver = sa.Table(
    "resolver",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("sealed", JSONB),
)

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("sealed", JSONB),
    sa.Column("next_sequence", sa.BigInteger),
    sa.Column("leased_by", sa.Uuid),
    sa.Column("is_retired", sa.Boolean),
)

wallets = sa.Table(
    "wallets",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid),
    sa.Column("user_public_id", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("sealed", JSONB),
    sa.Column("state", sa.Text),
    sa.Column("created_at", _INSTANT),
)

escrows = sa.Table(
    "escrows",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid),
    sa.Column("contract_id", sa.Text),
    sa.Column("wasm_hash", sa.Text),
    sa.Column("buyer_wallet_id", sa.Uuid),
    sa.Column("seller_wallet_id", sa.Uuid),
    sa.Column("amount", sa.BigInteger),
    sa.Column("title", sa.Text),
    sa.Column("description", sa.Text),
    sa.Column("milestones", ARRAY(sa.Text)),
    sa.Column("platform_fee_bps", sa.Integer),
    sa.Column("state", sa.Text),
    sa.Column("version", sa.BigInteger),
    sa.Column("created_at", _INSTANT),
    sa.Column("funded_at", _INSTANT),
    sa.Column("closed_at", _INSTANT),
    sa.Column("last_error", sa.Text),
    sa.Column("salt", sa.LargeBinary),
    sa.Column("deployment", sa.Integer),
    sa.Column("factory", sa.Text),
    sa.Column("resolver", sa.Text),
    sa.Column("seller_payout", sa.Text),
    sa.Column("buyer_payout", sa.Text),
)

redirects = sa.Table(
    "redirects",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("escrow_id", sa.Uuid),
    sa.Column("party", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("proposed_by", sa.Text),
    sa.Column("expires_at", _INSTANT),
    sa.Column("approved_by", sa.Text),
    sa.Column("approved_at", _INSTANT),
    sa.Column("by_rule", sa.Boolean),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("marketplace_id", sa.Uuid, primary_key=True),
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("escrow_id", sa.Uuid),
    sa.Column("wallet_id", sa.Uuid),
    sa.Column("was_frozen", sa.Boolean),
    sa.Column("correlation_id", sa.Text),
    sa.Column("lease_until", _INSTANT),
    sa.Column("lease_epoch", sa.BigInteger),
    sa.Column("next_attempt_at", _INSTANT),
    sa.Column("waits", sa.Integer),
    sa.Column("waiting_since", _INSTANT),
    sa.Column("troubled_since", _INSTANT),
    sa.Column("error_reason", sa.Text),
    sa.Column("error_message", sa.Text),
    sa.Column("created_at", _INSTANT),
    sa.Column("finished_at", _INSTANT),
    sa.Column("quarantined_at", _INSTANT),
    sa.Column("abandoned_why", sa.Text),
)

steps = sa.Table(
    "steps",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("marketplace_id", sa.Uuid),
    sa.Column("command_id", sa.Uuid),
    sa.Column("position", sa.Integer),
    sa.Column("name", sa.Text),
    sa.Column("terms", JSONB),
    sa.Column("state", sa.Text),
    sa.Column("source", sa.Text),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("doubt", sa.Text),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("step_id", sa.Uuid),
    sa.Column("number", sa.Integer),
    sa.Column("source", sa.Text),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("envelope_xdr", sa.Text),
    sa.Column("max_time", sa.BigInteger),
    sa.Column("auth_expires_ledger", sa.BigInteger),
    sa.Column("max_fee", sa.BigInteger),
    sa.Column("network", sa.Text),
    sa.Column("prepared_at_ledger", sa.BigInteger),
    sa.Column("state", sa.Text),
    sa.Column("ledger", sa.BigInteger),
    sa.Column("code", sa.Text),
    sa.Column("created_at", _INSTANT),
    sa.Column("is_burn", sa.Boolean),
    sa.Column("bump_hash", sa.Text),
)

# The newest signed envelope of an account, as bytes.
envelopes = sa.Table(
    "envelopes",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("hash", sa.Text),
    sa.Column("envelope", sa.LargeBinary),
)

# Transactions of our channel accounts that were on the chain when the books lacked them.
findings = sa.Table(
    "findings",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("source", sa.Text),
    sa.Column("sequence", sa.BigInteger),
    sa.Column("envelope_xdr", sa.Text),
    sa.Column("ledger", sa.BigInteger),
    sa.Column("has_succeeded", sa.Boolean),
    sa.Column("found_at", _INSTANT),
    sa.Column("bump_hash", sa.Text),
)

chain_holds = sa.Table(
    "chain_holds",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("why", sa.Text),
    sa.Column("since", _INSTANT),
    sa.Column("confirmed_at", _INSTANT),
    sa.Column("confirmed_by", sa.Text),
    sa.Column("confirmed_why", sa.Text),
)

payments = sa.Table(
    "payments",
    metadata,
    sa.Column("transaction_hash", sa.Text, primary_key=True),
    sa.Column("event_index", sa.Integer, primary_key=True),
    sa.Column("step_id", sa.Uuid),
    sa.Column("payee", sa.Text),
    sa.Column("from_address", sa.Text),
    sa.Column("to_address", sa.Text),
    sa.Column("minor_units", sa.BigInteger),
    sa.Column("is_absorbed_fee", sa.Boolean),
)

flow_changes = sa.Table(
    "flow_changes",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("marketplace_id", sa.Uuid),
    sa.Column("flow", sa.Text),
    sa.Column("change", sa.Text),
    sa.Column("daily_limit", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.Column("by", sa.Text),
    sa.Column("at", _INSTANT),
)

# The table has no rows. Only its lock is used.
flow_gate = sa.Table(
    "flow_gate",
    metadata,
    sa.Column("is_only", sa.Boolean, primary_key=True),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("asset_contract", sa.Text, primary_key=True),
    sa.Column("position", sa.Text),
    sa.Column("looked_at", _INSTANT),
    sa.Column("trouble", sa.Text),
)

unreadable_transfers = sa.Table(
    "unreadable_transfers",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("marketplace_id", sa.Uuid),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("ledger", sa.BigInteger),
    sa.Column("to_address", sa.Text),
    sa.Column("event", sa.Text),
    sa.Column("why", sa.Text),
    sa.Column("found_at", _INSTANT),
)

foreign_changes = sa.Table(
    "foreign_changes",
    metadata,
    sa.Column("event_id", sa.Text, primary_key=True),
    sa.Column("contract_id", sa.Text),
    sa.Column("name", sa.Text),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("ledger", sa.BigInteger),
    sa.Column("found_at", _INSTANT),
)

deposits = sa.Table(
    "deposits",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("marketplace_id", sa.Uuid),
    sa.Column("wallet_id", sa.Uuid),
    sa.Column("event_id", sa.Text),
    sa.Column("transaction_hash", sa.Text),
    sa.Column("ledger", sa.BigInteger),
    sa.Column("from_address", sa.Text),
    sa.Column("memo", sa.Text),
    sa.Column("minor_units", sa.BigInteger),
    sa.Column("created_at", _INSTANT),
)
