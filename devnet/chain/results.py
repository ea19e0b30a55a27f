"""Transaction and operation results in the network's form."""

from collections.abc import Sequence
from typing import Any

from stellar_sdk import xdr

from devnet.chain.envelope import Envelope

Code = xdr.TransactionResultCode
OperationCode = xdr.OperationResultCode


class OperationFailedError(Exception):
    """An operation was refused; carries the result that gives the reason."""

    def __init__(self, result: xdr.OperationResult) -> None:
        super().__init__(result.code.name)
        self.result = result


def inner(kind: xdr.OperationType, **arm: Any) -> xdr.OperationResult:
    """Wrap the result of one operation."""
    return xdr.OperationResult(OperationCode.opINNER, xdr.OperationResultTr(kind, **arm))


def refused(code: xdr.OperationResultCode) -> xdr.OperationResult:
    """Build the result of an operation that was refused before its own rules applied."""
    return xdr.OperationResult(code)


def transaction_result(
    envelope: Envelope,
    *,
    code: xdr.TransactionResultCode,
    fee_charged: int,
    operations: Sequence[xdr.OperationResult] | None = None,
) -> xdr.TransactionResult:
    """Build a result. For a fee bump, the inner result is put into the outer one.

    operations: present exactly when the code is txSUCCESS or txFAILED.
    """
    results = list(operations) if operations is not None else None
    if envelope.fee_bump is None:
        return _plain(code, fee_charged, results)
    pair = xdr.InnerTransactionResultPair(
        transaction_hash=xdr.Hash(envelope.inner_hash),
        result=xdr.InnerTransactionResult(
            fee_charged=xdr.Int64(0),
            result=xdr.InnerTransactionResultResult(code, results=results),
            ext=xdr.InnerTransactionResultExt(0),
        ),
    )
    succeeded = code == Code.txSUCCESS
    outer = Code.txFEE_BUMP_INNER_SUCCESS if succeeded else Code.txFEE_BUMP_INNER_FAILED
    return xdr.TransactionResult(
        fee_charged=xdr.Int64(fee_charged),
        result=xdr.TransactionResultResult(outer, inner_result_pair=pair),
        ext=xdr.TransactionResultExt(0),
    )


def outer_result(code: xdr.TransactionResultCode, *, fee_charged: int = 0) -> xdr.TransactionResult:
    """Build the result of a transaction refused as a whole."""
    return _plain(code, fee_charged, None)


def _plain(
    code: xdr.TransactionResultCode, fee: int, results: list[xdr.OperationResult] | None
) -> xdr.TransactionResult:
    return xdr.TransactionResult(
        fee_charged=xdr.Int64(fee),
        result=xdr.TransactionResultResult(code, results=results),
        ext=xdr.TransactionResultExt(0),
    )
