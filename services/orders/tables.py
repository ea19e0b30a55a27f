"""The tables of orders, as statements are built from them; migrations/ makes them.

Columns stand in the order in which rows are read. Constraints, defaults and indexes are in the
migrations alone.
"""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


def _table(name: str, **columns: Any) -> sa.Table:
    """Describe a table. columns: their types by name."""
    described = (sa.Column(column, kind) for column, kind in columns.items())
    return sa.Table(name, metadata, *described)


_INSTANT = sa.DateTime(timezone=True)

orders = _table(
    "orders",
    marketplace_id=sa.Uuid,
    id=sa.Uuid,
    buyer_id=sa.Uuid,
    buyer_public_id=sa.Text,
    seller_id=sa.Uuid,
    seller_public_id=sa.Text,
    asset=sa.Text,
    currency=sa.Text,
    amount=sa.BigInteger,
    title=sa.Text,
    description=sa.Text,
    state=sa.Text,
    final_status=sa.Text,
    origin=sa.Text,
    client_order_ref=sa.Text,
    milestones=sa.Text,
    metadata_json=sa.Text,
    platform_fee_bps=sa.Integer,
    platform_fee=sa.BigInteger,
    escrow_id=sa.Uuid,
    escrow_contract_id=sa.Text,
    escrow_status=sa.Text,
    escrow_last_error=sa.Text,
    dispute_id=sa.Uuid,
    dispute_opened_by=sa.Text,
    dispute_reason=sa.Text,
    dispute_opened_at=_INSTANT,
    dispute_decision=sa.Text,
    dispute_resolved_at=_INSTANT,
    delivery_notes=sa.Text,
    delivery_url=sa.Text,
    delivered_at=_INSTANT,
    version=sa.BigInteger,
    created_at=_INSTANT,
    updated_at=_INSTANT,
    reserved_at=_INSTANT,
    funded_at=_INSTANT,
    confirmed_at=_INSTANT,
    released_at=_INSTANT,
    refunded_at=_INSTANT,
    closed_at=_INSTANT,
    released_amount=sa.BigInteger,
    refunded_amount=sa.BigInteger,
    provider_fee=sa.BigInteger,
    released_share=sa.BigInteger,
    charged_fee=sa.BigInteger,
    delta_score_tenths=sa.Integer,
    ended_by=sa.Text,
    intention_id=sa.Text,
    contract_template_id=sa.Text,
    contract_id=sa.Text,
    contract_terms_json=sa.Text,
    completions=sa.Text,
)
operations = _table(
    "operations",
    id=sa.Uuid,
    marketplace_id=sa.Uuid,
    order_id=sa.Uuid,
    kind=sa.Text,
    state=sa.Text,
    scope=sa.Text,
    key=sa.Text,
    fingerprint=sa.LargeBinary,
    context=sa.Text,
    actor=sa.Text,
    request_id=sa.Text,
    error=sa.Text,
    attempts=sa.Integer,
    lease_until=_INSTANT,
    lease_epoch=sa.Integer,
    started_at=_INSTANT,
    finished_at=_INSTANT,
)
offers = _table(
    "offers",
    marketplace_id=sa.Uuid,
    id=sa.Uuid,
    order_id=sa.Uuid,
    offered_by=sa.Text,
    refund=sa.BigInteger,
    release=sa.BigInteger,
    message=sa.Text,
    state=sa.Text,
    version=sa.BigInteger,
    created_at=_INSTANT,
    expires_at=_INSTANT,
    decided_at=_INSTANT,
    decided_by=sa.Text,
)
users = _table(
    "users",
    marketplace_id=sa.Uuid,
    id=sa.Uuid,
    public_id=sa.Text,
    external_user_id=sa.Text,
    email=sa.Text,
    type=sa.Text,
    wallet_address=sa.Text,
    provisioned_at=_INSTANT,
    created_at=_INSTANT,
)
marketplaces = _table(
    "marketplaces",
    id=sa.Uuid,
    allows_manual_credit=sa.Boolean,
    platform_fee_bps_marketplace=sa.Integer,
    platform_fee_bps_party=sa.Integer,
    auto_confirm_days=sa.Integer,
    reservation_days=sa.Integer,
    funding_days=sa.Integer,
    delivery_days=sa.Integer,
    decision_days=sa.Integer,
    warning_hours=sa.Integer,
    clock_offset_seconds=sa.BigInteger,
)
credits_ = _table(
    "credits",
    id=sa.Uuid,
    marketplace_id=sa.Uuid,
    user_id=sa.Uuid,
    user_public_id=sa.Text,
    amount=sa.BigInteger,
    reference=sa.Text,
    description=sa.Text,
    state=sa.Text,
    transaction_hash=sa.Text,
    created_at=_INSTANT,
    finished_at=_INSTANT,
    error=sa.Text,
    scope=sa.Text,
    key=sa.Text,
    fingerprint=sa.LargeBinary,
    epoch=sa.Integer,
    lease_until=_INSTANT,
)
