"""The orders table as SQLAlchemy Core knows it, for queries that are put together by filters."""

import sqlalchemy as sa

metadata = sa.MetaData()

# Every column, in the order in which rows are read; store.py maps them by name.
ORDER_COLUMNS = (
    "marketplace_id",
    "id",
    "buyer_id",
    "buyer_public_id",
    "seller_id",
    "seller_public_id",
    "asset",
    "currency",
    "amount",
    "title",
    "description",
    "state",
    "final_status",
    "origin",
    "client_order_ref",
    "milestones",
    "metadata_json",
    "platform_fee_bps",
    "platform_fee",
    "escrow_id",
    "escrow_contract_id",
    "escrow_status",
    "escrow_last_error",
    "dispute_id",
    "dispute_opened_by",
    "dispute_reason",
    "dispute_opened_at",
    "dispute_decision",
    "dispute_resolved_at",
    "delivery_notes",
    "delivery_url",
    "delivered_at",
    "version",
    "created_at",
    "updated_at",
    "reserved_at",
    "funded_at",
    "confirmed_at",
    "released_at",
    "refunded_at",
    "closed_at",
    "released_amount",
    "refunded_amount",
    "provider_fee",
    "released_share",
    "charged_fee",
    "delta_score_tenths",
    "ended_by",
    "intention_id",
    "contract_template_id",
    "contract_id",
    "contract_terms_json",
)

orders = sa.Table(
    "orders",
    metadata,
    *(
        sa.Column(name, sa.Uuid() if name in {"id", "marketplace_id"} else None)
        for name in ORDER_COLUMNS
    ),
    sa.Column("party_status"),
)
