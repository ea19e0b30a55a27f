"""`TransactionMeta` v4: events, return value, and the state of every entry before and after.

The XDR is joined from encoded parts, because an event's bytes are also in the result's hash and in
the records.
"""

from collections.abc import Sequence

from stellar_sdk import xdr

from devnet.chain.events import encoded
from devnet.chain.joining import ABSENT, NO_EXTENSION, PRESENT, array, number

_VERSION = 4

Changes = Sequence[xdr.LedgerEntryChange]


def transaction_meta(
    *,
    value: bytes | None,
    fee_changes: Changes,
    operation_changes: Sequence[Changes],
    refund_changes: Changes,
    operation_events: Sequence[Sequence[bytes]],
    transaction_events: Sequence[bytes],
    diagnostics: Sequence[bytes],
    bill: xdr.SorobanTransactionMetaExt | None,
) -> bytes:
    """Join a transaction's meta from XDR.

    value: what a contract call returned; None if it failed. bill: what its resources cost; None for
    classic operations.
    """
    nothing: Sequence[Changes] = [()] * len(operation_events)
    operations = [
        NO_EXTENSION + array(_encoded(changes)) + array(emitted)
        for emitted, changes in zip(operation_events, operation_changes or nothing, strict=True)
    ]
    contract_meta = ABSENT
    if bill is not None:
        returned = ABSENT if value is None else PRESENT + value
        contract_meta = PRESENT + bill.to_xdr_bytes() + returned
    return b"".join(
        (
            number(_VERSION),
            NO_EXTENSION,
            array(_encoded(fee_changes)),
            array(operations),
            array(_encoded(refund_changes)),
            contract_meta,
            array(transaction_events),
            array(diagnostics),
        )
    )


def transaction_events(
    fee_event: xdr.ContractEvent | None, refund_event: xdr.ContractEvent | None
) -> list[bytes]:
    """Return the events of the transaction as a whole: its fee, and the refunded part of it."""
    stages = xdr.TransactionEventStage
    found = (
        (stages.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS, fee_event),
        (stages.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS, refund_event),
    )
    return [number(stage) + encoded(event) for stage, event in found if event is not None]


def success_preimage(value: bytes, emitted: Sequence[bytes]) -> bytes:
    """Join `InvokeHostFunctionSuccessPreImage`: the returned value, and the counted events."""
    return value + array(emitted)


def _encoded(changes: Changes) -> list[bytes]:
    return [change.to_xdr_bytes() for change in changes]
