"""Conversions of rows of escrows and commands to domain values, column by column."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.escrow.domain import (
    Command,
    CommandKind,
    CommandState,
    Escrow,
    EscrowState,
    PayeeRole,
    Payment,
    Terms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransactionRow:
    """A transaction that was signed for an order. at: when it was signed."""

    hash: str
    name: str
    state: str
    ledger: int
    at: dt.datetime


def to_escrow(row: Any) -> Escrow:
    """Read an escrow from columns whose names begin with escrow_."""
    terms = Terms(
        amount=row.escrow_amount,
        title=row.escrow_title,
        description=row.escrow_description,
        milestones=tuple(row.escrow_milestones),
        platform_fee_bps=row.escrow_platform_fee_bps,
    )
    return Escrow(
        id=row.escrow_id,
        marketplace_id=row.escrow_marketplace_id,
        order_id=row.escrow_order_id,
        contract_id=row.escrow_contract_id,
        wasm_hash=row.escrow_wasm_hash,
        buyer_wallet_id=row.escrow_buyer_wallet_id,
        seller_wallet_id=row.escrow_seller_wallet_id,
        terms=terms,
        state=EscrowState(row.escrow_state),
        version=row.escrow_version,
        created_at=row.escrow_created_at,
        funded_at=row.escrow_funded_at,
        closed_at=row.escrow_closed_at,
        last_error=row.escrow_last_error,
        salt=row.escrow_salt or b"",
        deployment=row.escrow_deployment,
        factory=row.escrow_factory,
        resolver=row.escrow_resolver,
        seller_payout=row.escrow_seller_payout,
        buyer_payout=row.escrow_buyer_payout,
    )


def to_command(rows: Sequence[Any]) -> Command:
    """Read a command from its rows: one row for each payment, or one row without a payment."""
    row = rows[0]
    paid = tuple(
        Payment(
            payee=PayeeRole(each.payee),
            from_address=each.from_address,
            to_address=each.to_address,
            minor_units=each.minor_units,
            transaction_hash=each.transaction_hash,
            event_index=each.event_index,
            is_absorbed_fee=each.is_absorbed_fee,
        )
        for each in rows
        if each.payee is not None
    )
    return Command(
        id=row.id,
        marketplace_id=row.marketplace_id,
        kind=CommandKind(row.kind),
        state=CommandState(row.state),
        created_at=row.created_at,
        escrow=None if row.escrow_id is None else to_escrow(row),
        wallet_id=row.wallet_id,
        was_frozen=row.was_frozen,
        correlation_id=row.correlation_id,
        step=(row.step or "") if row.finished_at is None else "",
        payments=paid,
        error_reason=row.error_reason,
        error_message=row.error_message,
        waits=row.waits,
        finished_at=row.finished_at,
        abandoned_why=row.abandoned_why,
    )
