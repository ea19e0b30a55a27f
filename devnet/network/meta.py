"""`TransactionMeta` v4: events, return value, and what every entry was and became.

The XDR is joined from parts that are encoded already: an event's bytes are also in the result's
hash and in the records.
"""

from collections.abc import Sequence

from stellar_sdk import xdr

_VERSION = 4
_NO_EXTENSION = b"\0\0\0\0"
_ABSENT, _PRESENT = b"\0\0\0\0", b"\0\0\0\1"

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

    value: what a contract call answered; None when it failed. bill: what its resources cost; None
    for classic operations.
    """
    nothing: Sequence[Changes] = [()] * len(operation_events)
    operations = [
        _NO_EXTENSION + _array(_encoded(changes)) + _array(emitted)
        for emitted, changes in zip(operation_events, operation_changes or nothing, strict=True)
    ]
    contract_meta = _ABSENT
    if bill is not None:
        returned = _ABSENT if value is None else _PRESENT + value
        contract_meta = _PRESENT + bill.to_xdr_bytes() + returned
    return b"".join(
        (
            _number(_VERSION),
            _NO_EXTENSION,
            _array(_encoded(fee_changes)),
            _array(operations),
            _array(_encoded(refund_changes)),
            contract_meta,
            _array(transaction_events),
            _array(diagnostics),
        )
    )


def transaction_events(
    fee_event: xdr.ContractEvent | None, refund_event: xdr.ContractEvent | None
) -> list[bytes]:
    """Return the events of the transaction as a whole: its fee, and what was given back of it."""
    stages = xdr.TransactionEventStage
    found = (
        (stages.TRANSACTION_EVENT_STAGE_BEFORE_ALL_TXS, fee_event),
        (stages.TRANSACTION_EVENT_STAGE_AFTER_ALL_TXS, refund_event),
    )
    return [
        xdr.TransactionEvent(stage, event).to_xdr_bytes()
        for stage, event in found
        if event is not None
    ]


def success_preimage(value: bytes, emitted: Sequence[bytes]) -> bytes:
    """Join `InvokeHostFunctionSuccessPreImage`: the answer, and the events with their count."""
    return value + _array(emitted)


def _encoded(changes: Changes) -> list[bytes]:
    return [change.to_xdr_bytes() for change in changes]


def _array(items: Sequence[bytes]) -> bytes:
    return _number(len(items)) + b"".join(items)


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")
