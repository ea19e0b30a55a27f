"""Applies a contract operation: a call, an extension of lifetimes, a restoration."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stellar_sdk import xdr

from devnet.chain import fees, rules
from devnet.chain.addresses import present
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.fees import Change
from devnet.chain.keys import Key
from devnet.chain.results import Code, inner, transaction_result
from devnet.chain.rules import Lifetimes
from devnet.chain.state import Readable, View
from devnet.network.changes import entry_changes
from devnet.network.meta import success_preimage
from devnet.network.outcome import Bill, Outcome, encoded
from devnet.soroban.host import ArchivedError, Footprint
from devnet.soroban.invoke import Environment, Invocation, enforce

Kind = xdr.OperationType
Invoke = xdr.InvokeHostFunctionResultCode
Extend = xdr.ExtendFootprintTTLResultCode
Restore = xdr.RestoreFootprintResultCode


def apply_contract_operation(
    envelope: Envelope, view: View, environment: Environment, charged: int, *, doomed: bool
) -> Outcome:
    """Apply the one operation of a contract transaction. charged: stroops, before any refund."""
    operation, bill = envelope.tx.operations[0], Bill.of(envelope)
    call = operation.body.invoke_host_function_op
    if call is None:
        return _apply_footprint_operation(envelope, view, environment, charged, bill)
    data = present(envelope.soroban_data)
    done = enforce(
        call,
        source=operation_source(operation, envelope),
        ledger=view,
        sequence=view.sequence,
        environment=environment,
        declared=data,
    )
    code = Invoke.INVOKE_HOST_FUNCTION_SUCCESS
    value = b"" if done.value is None else done.value.to_xdr_bytes()
    emitted = encoded(done.events)
    told = len(value) + sum(map(len, emitted))
    if isinstance(done.error, ArchivedError):
        code = Invoke.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED
    elif done.error is not None or done.value is None or doomed:
        code = Invoke.INVOKE_HOST_FUNCTION_TRAPPED
    elif told > fees.EVENT_BYTES_MAX or not _is_within_limits(done, data, view):
        code = Invoke.INVOKE_HOST_FUNCTION_RESOURCE_LIMIT_EXCEEDED
    elif not bill.take(rent=rent_of(done.view, view, environment), events=fees.of_events(told)):
        code = Invoke.INVOKE_HOST_FUNCTION_INSUFFICIENT_REFUNDABLE_FEE
    if code != Invoke.INVOKE_HOST_FUNCTION_SUCCESS:
        failure = xdr.InvokeHostFunctionResult(code)
        return _failed(
            envelope,
            inner(Kind.INVOKE_HOST_FUNCTION, invoke_host_function_result=failure),
            charged,
            bill,
            done.diagnostics,
        )
    changes: list[list[xdr.LedgerEntryChange]] = []
    if environment.has_full_meta:
        changes = [entry_changes(done.view.changes, view, restored=done.view.restored)]
    view.merge(done.view)
    success_hash = xdr.Hash(hashlib.sha256(success_preimage(value, emitted)).digest())
    success = xdr.InvokeHostFunctionResult(code, success=success_hash)
    result = inner(Kind.INVOKE_HOST_FUNCTION, invoke_host_function_result=success)
    outcome = Outcome(
        envelope=envelope,
        result=transaction_result(
            envelope, code=Code.txSUCCESS, fee_charged=charged, operations=[result]
        ),
        successful=True,
        value=value,
        operation_events=[done.events],
        operation_changes=changes,
        bill=bill,
    )
    outcome.encoded_events = [emitted]
    return outcome


def _failed(
    envelope: Envelope,
    result: xdr.OperationResult,
    charged: int,
    bill: Bill,
    diagnostics: Sequence[xdr.DiagnosticEvent] = (),
) -> Outcome:
    """Build the outcome of a failure: the fees for rent and events are refunded in full."""
    bill.rent = bill.events = 0
    return Outcome(
        envelope=envelope,
        result=transaction_result(
            envelope, code=Code.txFAILED, fee_charged=charged, operations=[result]
        ),
        operation_events=[[]],
        diagnostics=diagnostics,
        bill=bill,
    )


def _is_within_limits(done: Invocation, data: xdr.SorobanTransactionData, view: View) -> bool:
    """Tell whether a call used no more than it declared, and no more than a network allows.

    Source: stellar-core, InvokeHostFunctionOpFrame.cpp, `addReads`, `recordStorageChanges` and
    `collectEvents`.
    """
    written = 0
    for key in done.view.written:
        entry = done.view.changes.get(key)
        size = 0 if entry is None else fees.size(entry)
        if entry is not None and entry.live_until is not None and size > fees.ENTRY_BYTES_MAX:
            return False
        written += size
    return (
        written <= data.resources.write_bytes.uint32
        and disk_bytes(done.view, view) <= data.resources.disk_read_bytes.uint32
    )


def disk_bytes(footprint: Footprint, ledger: Readable) -> int:
    """Return how many bytes a call reads from disk: classic entries, and archived ones."""
    total = 0
    for key in footprint.read.keys() | footprint.written.keys():
        entry = ledger.get(key)
        if entry is not None and (entry.live_until is None or key in footprint.restored):
            total += fees.size(entry)
    return total


def rent_of(changed: View, ledger: Readable, environment: Environment) -> int:
    """Return the rent for a view's changes to a ledger."""
    return fees.rent(
        _changes(changed, ledger, environment.lifetimes),
        sequence=changed.sequence,
        per_kilobyte=environment.rent_per_kilobyte,
    )


def _changes(changed: View, ledger: Readable, lifetimes: Lifetimes) -> Iterator[Change]:
    for key, after in changed.changes.items():
        if after is None or after.live_until is None:
            continue
        before = ledger.get(key)
        if before is not None and lifetimes.is_over(before.live_until, changed.sequence):
            before = None
        yield Change(key, before, after)


def _apply_footprint_operation(
    envelope: Envelope, view: View, environment: Environment, charged: int, bill: Bill
) -> Outcome:
    changed, body = view.child(), envelope.tx.operations[0].body
    change_lifetimes(
        body,
        present(envelope.soroban_data).resources.footprint,
        changed,
        environment.lifetimes,
    )
    paid = bill.take(rent=rent_of(changed, view, environment), events=0)
    if body.extend_footprint_ttl_op is None:
        answer = xdr.RestoreFootprintResult(
            Restore.RESTORE_FOOTPRINT_SUCCESS
            if paid
            else Restore.RESTORE_FOOTPRINT_INSUFFICIENT_REFUNDABLE_FEE
        )
        result = inner(Kind.RESTORE_FOOTPRINT, restore_footprint_result=answer)
    else:
        extended = xdr.ExtendFootprintTTLResult(
            Extend.EXTEND_FOOTPRINT_TTL_SUCCESS
            if paid
            else Extend.EXTEND_FOOTPRINT_TTL_INSUFFICIENT_REFUNDABLE_FEE
        )
        result = inner(Kind.EXTEND_FOOTPRINT_TTL, extend_footprint_ttl_result=extended)
    if not paid:
        return _failed(envelope, result, charged, bill)
    changes: list[list[xdr.LedgerEntryChange]] = []
    if environment.has_full_meta:
        is_restoration = body.extend_footprint_ttl_op is None
        restored = dict.fromkeys(changed.changes) if is_restoration else None
        changes = [entry_changes(changed.changes, view, restored=restored)]
    view.merge(changed)
    return Outcome(
        envelope=envelope,
        result=transaction_result(
            envelope, code=Code.txSUCCESS, fee_charged=charged, operations=[result]
        ),
        successful=True,
        operation_events=[[]],
        operation_changes=changes,
        bill=bill,
    )


def change_lifetimes(
    body: xdr.OperationBody, footprint: xdr.LedgerFootprint, view: View, lifetimes: Lifetimes
) -> None:
    """Extend the lives of entries declared as read, or restore entries declared as written.

    Both skip missing entries. An extension also skips archived entries, a restoration live ones.
    Source: stellar-core, ExtendFootprintTTLOpFrame.cpp, RestoreFootprintOpFrame.cpp.
    """
    sequence = view.sequence
    if body.extend_footprint_ttl_op is None:
        for key in _stored(footprint.read_write, view):
            entry = present(view.get(key))
            if lifetimes.is_over(entry.live_until, sequence):
                view.put(key, replace(entry, live_until=lifetimes.first(sequence)))
        return
    ledgers = min(body.extend_footprint_ttl_op.extend_to.uint32, rules.MAX_TTL - 1)
    for key in _stored(footprint.read_only, view):
        entry = present(view.get(key))
        over = lifetimes.is_over(entry.live_until, sequence)
        if not over and present(entry.live_until) < sequence + ledgers:
            view.extend(key, entry, live_until=sequence + ledgers)


def _stored(declared: Sequence[xdr.LedgerKey], view: View) -> list[Key]:
    """Return the keys of stored entries that have a lifetime."""
    found = [(key.to_xdr_bytes(), view.get(key.to_xdr_bytes())) for key in declared]
    return [key for key, entry in found if entry is not None and entry.live_until is not None]
