"""Outcomes: what a node says about a transaction, read as evidence.

An answer that contradicts itself is not used: the outcome stays unknown, and is asked for again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from stellar_sdk import StrKey, scval, xdr
from stellar_sdk.soroban_rpc import (
    GetTransactionResponse,
    GetTransactionStatus,
    SimulateTransactionResponse,
)

from services.escrow.contracts.evidence import (
    AssetTransfer,
    ContractError,
    OutcomeStatus,
    TransactionOutcome,
)
from services.escrow.ports import ChainUnavailable
from services.escrow.stellar.addresses import address_in

TRANSFER_TOPICS = 4
SUCCESS_CODES = frozenset({"txSUCCESS", "txFEE_BUMP_INNER_SUCCESS"})
# Raised if a value has another shape, or if the XDR cannot be parsed.
UNREADABLE = (ValueError, EOFError, TypeError, KeyError, AttributeError)
_STATUSES = {
    GetTransactionStatus.SUCCESS: OutcomeStatus.SUCCEEDED,
    GetTransactionStatus.FAILED: OutcomeStatus.FAILED,
    GetTransactionStatus.NOT_FOUND: OutcomeStatus.NOT_FOUND,
}


def outcome_of(answer: GetTransactionResponse, *, asset_contract: str) -> TransactionOutcome:
    """Read a node's answer about a hash. Raises: ChainUnavailable: it contradicts itself."""
    status = _STATUSES[answer.status]
    succeeded = status is OutcomeStatus.SUCCEEDED
    seen = TransactionOutcome(
        hash=answer.transaction_hash,
        status=OutcomeStatus.NOT_FOUND,
        latest_ledger=answer.latest_ledger,
        latest_close_time=answer.latest_ledger_close_time,
        oldest_ledger=answer.oldest_ledger,
    )
    is_whole = answer.result_xdr and (answer.result_meta_xdr or not succeeded)
    if status is OutcomeStatus.NOT_FOUND or not is_whole:
        # A node that found it but lost its result has not reported its outcome.
        return seen
    ledger = answer.ledger or 0
    if not 0 < ledger <= answer.latest_ledger:
        raise ChainUnavailable(f"the node has a transaction in ledger {ledger}, which it lacks")
    try:
        found = replace(seen, status=status, ledger=ledger, close_time=answer.create_at or 0)
        return _with_result(found, answer, asset_contract=asset_contract)
    except UNREADABLE as error:
        raise ChainUnavailable(f"a transaction's result cannot be read: {error}") from error


def _with_result(
    found: TransactionOutcome, answer: GetTransactionResponse, *, asset_contract: str
) -> TransactionOutcome:
    succeeded = found.status is OutcomeStatus.SUCCEEDED
    result = xdr.TransactionResult.from_xdr(answer.result_xdr or "")
    if (result.result.code.name in SUCCESS_CODES) is not succeeded:
        raise ChainUnavailable(f"the node says {found.status}, its result {result_code(result)}")
    meta = xdr.TransactionMeta.from_xdr(answer.result_meta_xdr) if answer.result_meta_xdr else None
    found = replace(found, code=result_code(result), fee=result.fee_charged.int64)
    if succeeded:
        payments = transfers_in(_events(meta), asset_contract=asset_contract)
        return replace(found, payments=payments)
    diagnostics = [xdr.DiagnosticEvent.from_xdr(e) for e in answer.diagnostic_events_xdr or []]
    return replace(found, contract_error=innermost_error(diagnostics or _diagnostics(meta)))


def result_code(result: xdr.TransactionResult) -> str:
    """Return the innermost code of a result, such as "INVOKE_HOST_FUNCTION_TRAPPED".

    For a fee bump, this is the code of the inner transaction.
    """
    outer: xdr.TransactionResultResult | xdr.InnerTransactionResultResult = result.result
    if result.result.inner_result_pair is not None:
        outer = result.result.inner_result_pair.result.result
    for operation in outer.results or []:
        inner = _inner_code(operation)
        if not inner.endswith("_SUCCESS"):
            return inner
    return outer.code.name


def innermost_error(events: Sequence[xdr.DiagnosticEvent]) -> ContractError | None:
    """Return where an error arose: in the first of the events that report the final error.

    Events come in the order in which they happened. A contract that fails because a contract that
    it called failed reports the same error again, in its own name.
    """
    errors = [found for found in map(_contract_error, events) if found is not None]
    if not errors:
        return None
    innermost = errors[-1]
    for earlier in reversed(errors):
        if earlier.code != innermost.code:
            break
        innermost = earlier
    return innermost


def simulation_error(answer: SimulateTransactionResponse) -> ContractError | None:
    """Return which contract refused a simulated call, or None if no contract did."""
    return innermost_error([xdr.DiagnosticEvent.from_xdr(text) for text in answer.events or []])


def transfers_in(
    events: Iterable[xdr.ContractEvent], *, asset_contract: str
) -> tuple[AssetTransfer, ...]:
    """Return the asset's transfers among the events of a transaction, in order."""
    found = []
    for index, event in enumerate(events):
        if event.contract_id is None or event.body.v0 is None:
            continue
        if event.type != xdr.ContractEventType.CONTRACT:
            continue
        if StrKey.encode_contract(event.contract_id.contract_id.hash) != asset_contract:
            continue
        topics = event.body.v0.topics
        if len(topics) == TRANSFER_TOPICS and topics[0] == scval.to_symbol("transfer"):
            found.append(
                AssetTransfer(
                    from_address=address_in(topics[1]),
                    to_address=address_in(topics[2]),
                    amount=amount_of(event.body.v0.data),
                    event_index=index,
                )
            )
    return tuple(found)


def amount_of(data: xdr.SCVal) -> int:
    """Read the amount from a transfer event's data. Raises: ValueError; KeyError."""
    fields = {"amount": data} if data.type != xdr.SCValType.SCV_MAP else scval.from_struct(data)
    amount = scval.from_int128(fields["amount"])
    if amount < 0:
        raise ValueError("the amount is negative")
    return amount


def memo_of(data: xdr.SCVal) -> str:
    """Read the muxed id or memo beside an amount, "" if there is none (CAP-67).

    Raises: ValueError.
    """
    if data.type != xdr.SCValType.SCV_MAP:
        return ""
    memo = scval.from_struct(data).get("to_muxed_id")
    return "" if memo is None else _memo(memo)


def _memo(value: xdr.SCVal) -> str:
    if value.u64 is not None:
        return str(value.u64.uint64)
    if value.str is not None:
        return _text(value.str.sc_string)
    if value.bytes is not None:
        return value.bytes.sc_bytes.hex()
    # A payment with an unreadable memo must not be taken for a payment without a memo.
    raise ValueError(f"a memo of the kind {value.type.name}")


def _text(raw: bytes) -> str:
    """Return a payer's text, or its hex if it cannot be stored and shown as text.

    Anybody can write memos. For example, a NUL is valid UTF-8, but PostgreSQL cannot store it in
    text.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
    return text if text.isprintable() else raw.hex()


def _inner_code(operation: xdr.OperationResult) -> str:
    if operation.tr is None:
        return operation.code.name
    for field, value in vars(operation.tr).items():
        if field != "type" and value is not None:
            code: str = value.code.name
            return code
    return operation.code.name


def _contract_error(event: xdr.DiagnosticEvent) -> ContractError | None:
    body = event.event.body.v0
    if body is None or len(body.topics) < 2 or body.topics[0] != scval.to_symbol("error"):  # noqa: PLR2004 - name, error
        return None
    error = body.topics[1].error
    if error is None or error.contract_code is None:
        return None
    contract = event.event.contract_id
    return ContractError(
        contract_id="" if contract is None else StrKey.encode_contract(contract.contract_id.hash),
        code=error.contract_code.uint32,
    )


def _events(meta: xdr.TransactionMeta | None) -> list[xdr.ContractEvent]:
    if meta is None:
        return []
    if meta.v4 is not None:
        return [event for operation in meta.v4.operations for event in operation.events]
    if meta.v3 is not None and meta.v3.soroban_meta is not None:
        return list(meta.v3.soroban_meta.events)
    return []


def _diagnostics(meta: xdr.TransactionMeta | None) -> list[xdr.DiagnosticEvent]:
    if meta is None:
        return []
    if meta.v4 is not None:
        return list(meta.v4.diagnostic_events)
    if meta.v3 is not None and meta.v3.soroban_meta is not None:
        return list(meta.v3.soroban_meta.diagnostic_events)
    return []
