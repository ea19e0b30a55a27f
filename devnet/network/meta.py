"""`TransactionMeta` v4: events, return value, and what every entry was and became."""

from collections.abc import Sequence

from stellar_sdk import xdr

_VERSION = 4


def transaction_meta(
    *,
    value: xdr.SCVal | None,
    fee_changes: list[xdr.LedgerEntryChange],
    operation_changes: Sequence[list[xdr.LedgerEntryChange]],
    refund_changes: list[xdr.LedgerEntryChange],
    operation_events: Sequence[Sequence[xdr.ContractEvent]],
    fee_event: xdr.ContractEvent | None,
    refund_event: xdr.ContractEvent | None,
    diagnostics: Sequence[xdr.DiagnosticEvent],
    bill: xdr.SorobanTransactionMetaExt | None,
) -> xdr.TransactionMeta:
    """Build a transaction's meta.

    value: what a contract call answered; None when it failed. bill: what its resources cost; None
    for classic operations.
    """
    contract_meta = None
    nothing: Sequence[list[xdr.LedgerEntryChange]] = [[] for _ in operation_events]
    if bill is not None:
        contract_meta = xdr.SorobanTransactionMetaV2(bill, value)
    return xdr.TransactionMeta(
        _VERSION,
        v4=xdr.TransactionMetaV4(
            ext=xdr.ExtensionPoint(0),
            tx_changes_before=xdr.LedgerEntryChanges(fee_changes),
            operations=[
                xdr.OperationMetaV2(
                    xdr.ExtensionPoint(0), xdr.LedgerEntryChanges(changes), list(emitted)
                )
                for emitted, changes in zip(
                    operation_events, operation_changes or nothing, strict=True
                )
            ],
            tx_changes_after=xdr.LedgerEntryChanges(refund_changes),
            soroban_meta=contract_meta,
            events=transaction_events(fee_event, refund_event),
            diagnostic_events=list(diagnostics),
        ),
    )


def transaction_events(
    fee_event: xdr.ContractEvent | None, refund_event: xdr.ContractEvent | None
) -> list[xdr.TransactionEvent]:
    """Return the events of the transaction as a whole: its fee, and what was given back of it."""
    stages = xdr.TransactionEventStage
    found = (
        (stages.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS, fee_event),
        (stages.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS, refund_event),
    )
    return [xdr.TransactionEvent(stage, event) for stage, event in found if event is not None]
