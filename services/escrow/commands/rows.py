"""Rows of schema `escrow` ↔ values of the domain, by hand and by name."""

from typing import Any

from kernel.ids import derived_id
from services.escrow.contracts.plan import PlannedStep
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

# The state of a step that has not ended.
PLANNED = "PLANNED"


def to_escrow(row: Any) -> Escrow:
    """Read an escrow's row."""
    terms = Terms(
        amount=row.amount,
        title=row.title,
        description=row.description,
        milestones=tuple(row.milestones),
        platform_fee_bps=row.platform_fee_bps,
    )
    return Escrow(
        id=row.id,
        marketplace_id=row.marketplace_id,
        order_id=row.order_id,
        contract_id=row.contract_id,
        wasm_hash=row.wasm_hash,
        buyer_wallet_id=row.buyer_wallet_id,
        seller_wallet_id=row.seller_wallet_id,
        terms=terms,
        state=EscrowState(row.state),
        version=row.version,
        created_at=row.created_at,
        funded_at=row.funded_at,
        closed_at=row.closed_at,
        last_error=row.last_error,
    )


def to_payment(row: Any) -> Payment:
    """Read a payment's row."""
    return Payment(
        payee=PayeeRole(row.payee),
        from_address=row.from_address,
        to_address=row.to_address,
        minor_units=row.minor_units,
        transaction_hash=row.transaction_hash,
        event_index=row.event_index,
        is_absorbed_fee=row.is_absorbed_fee,
    )


def to_command(row: Any, *, escrow: Escrow | None, step: str, paid: tuple[Payment, ...]) -> Command:
    """Read a command's row, beside what belongs to it."""
    return Command(
        id=row.id,
        marketplace_id=row.marketplace_id,
        kind=CommandKind(row.kind),
        state=CommandState(row.state),
        created_at=row.created_at,
        escrow=escrow,
        wallet_id=row.wallet_id,
        was_frozen=row.was_frozen,
        correlation_id=row.correlation_id,
        step=step if row.finished_at is None else "",
        payments=paid,
        error_reason=row.error_reason,
        error_message=row.error_message,
        waits=row.waits,
        finished_at=row.finished_at,
        abandoned_why=row.abandoned_why,
    )


def escrow_state(escrow: Escrow) -> dict[str, object]:
    """Write what a command may change of an escrow."""
    return {
        "state": escrow.state,
        "version": escrow.version,
        "funded_at": escrow.funded_at,
        "closed_at": escrow.closed_at,
        "last_error": escrow.last_error,
    }


def escrow_terms(escrow: Escrow) -> dict[str, object]:
    """Write what never changes of an escrow."""
    return {
        "id": escrow.id,
        "marketplace_id": escrow.marketplace_id,
        "order_id": escrow.order_id,
        "contract_id": escrow.contract_id,
        "wasm_hash": escrow.wasm_hash,
        "buyer_wallet_id": escrow.buyer_wallet_id,
        "seller_wallet_id": escrow.seller_wallet_id,
        "amount": escrow.terms.amount,
        "title": escrow.terms.title,
        "description": escrow.terms.description,
        "milestones": list(escrow.terms.milestones),
        "platform_fee_bps": escrow.terms.platform_fee_bps,
        "created_at": escrow.created_at,
    }


def step_row(command: Command, position: int, step: PlannedStep) -> dict[str, object]:
    """Write a step that nobody has begun; its id follows from its place."""
    return {
        "id": derived_id("step", command.marketplace_id, command.id, position),
        "marketplace_id": command.marketplace_id,
        "command_id": command.id,
        "position": position,
        "name": step.name,
        "terms": dict(step.terms),
        "state": PLANNED,
    }
