"""Applying one transaction to a ledger: fee and sequence always, operations all or none."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from stellar_sdk import xdr

from devnet.chain import events, holdings, rules
from devnet.chain.addresses import present
from devnet.chain.assets import NATIVE
from devnet.chain.classic import apply_operation
from devnet.chain.context import OperationContext
from devnet.chain.entries import read_account, write_account
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.keys import Key
from devnet.chain.reserves import Sponsorships
from devnet.chain.results import (
    Code,
    OperationFailedError,
    inner,
    transaction_result,
)
from devnet.chain.rules import Lifetimes
from devnet.chain.state import View
from devnet.chain.validity import SOROBAN, minimum_fee
from devnet.network.meta import transaction_meta
from devnet.soroban.host import ArchivedError
from devnet.soroban.invoke import Environment, enforce

Kind = xdr.OperationType
Invoke = xdr.InvokeHostFunctionResultCode
Extend = xdr.ExtendFootprintTTLResultCode


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What applying a transaction did.

    value: what the contract call answered. operation_events: one list per operation.
    """

    envelope: Envelope
    result: xdr.TransactionResult
    successful: bool = False
    value: xdr.SCVal | None = None
    operation_events: Sequence[Sequence[xdr.ContractEvent]] = ()
    fee_event: xdr.ContractEvent | None = None
    diagnostics: Sequence[xdr.DiagnosticEvent] = ()

    def meta(self) -> xdr.TransactionMeta:
        """Build the transaction's meta, version 4."""
        return transaction_meta(
            value=self.value,
            operation_events=self.operation_events,
            fee_event=self.fee_event,
            diagnostics=self.diagnostics,
            soroban=self.envelope.soroban_data is not None,
        )


def apply_transaction(
    envelope: Envelope, *, ledger: View, environment: Environment, doomed: bool = False
) -> Outcome:
    """Apply a valid transaction to the ledger being closed.

    doomed: let it fail although nothing is wrong with it (a fault somebody asked for).
    """
    charged = minimum_fee(envelope)
    _charge(envelope, ledger, charged)
    fee_event = events.fee(
        passphrase=environment.passphrase, payer=envelope.fee_payer, amount=charged
    )
    view = ledger.child()
    if envelope.tx.operations[0].body.type in SOROBAN:
        outcome = _apply_contract_operation(envelope, view, environment, charged, doomed=doomed)
    else:
        outcome = _apply_classic(envelope, view, environment, charged, doomed=doomed)
    outcome.fee_event = fee_event
    if outcome.successful:
        ledger.merge(view)
    return outcome


def _charge(envelope: Envelope, ledger: View, fee: int) -> None:
    holdings.debit(ledger, address=envelope.fee_payer, asset=NATIVE, amount=fee)
    source = present(read_account(ledger, envelope.source))
    write_account(ledger, replace(source, sequence=envelope.sequence))


def _apply_classic(
    envelope: Envelope, view: View, environment: Environment, charged: int, *, doomed: bool
) -> Outcome:
    sponsorships = Sponsorships()
    results: list[xdr.OperationResult] = []
    emitted: list[list[xdr.ContractEvent]] = []
    failed = doomed
    for operation in envelope.tx.operations:
        context = OperationContext(
            view=view,
            passphrase=environment.passphrase,
            lifetimes=environment.lifetimes,
            memo=envelope.tx.memo,
            sponsorships=sponsorships,
        )
        source = operation_source(operation, envelope)
        try:
            results.append(apply_operation(operation, source=source, context=context))
        except OperationFailedError as error:
            results.append(error.result)
            failed = True
        emitted.append(context.events)
    code = Code.txFAILED if failed else Code.txSUCCESS
    if not failed and sponsorships.open:
        code, failed = Code.txBAD_SPONSORSHIP, True
    shown = results if code in {Code.txFAILED, Code.txSUCCESS} else None
    return Outcome(
        envelope=envelope,
        result=transaction_result(envelope, code=code, fee_charged=charged, operations=shown),
        successful=not failed,
        operation_events=[[] for _ in emitted] if failed else emitted,
    )


def _apply_contract_operation(
    envelope: Envelope, view: View, environment: Environment, charged: int, *, doomed: bool
) -> Outcome:
    operation = envelope.tx.operations[0]
    call = operation.body.invoke_host_function_op
    if call is None:
        return _apply_footprint_operation(envelope, view, environment.lifetimes, charged)
    done = enforce(
        call,
        source=operation_source(operation, envelope),
        ledger=view,
        sequence=view.sequence,
        environment=environment,
        declared=present(envelope.soroban_data),
    )
    if done.error is not None or done.value is None or doomed:
        code = Invoke.INVOKE_HOST_FUNCTION_TRAPPED
        if isinstance(done.error, ArchivedError):
            code = Invoke.INVOKE_HOST_FUNCTION_ENTRY_ARCHIVED
        failure = xdr.InvokeHostFunctionResult(code)
        result = inner(Kind.INVOKE_HOST_FUNCTION, invoke_host_function_result=failure)
        return Outcome(
            envelope=envelope,
            result=transaction_result(
                envelope, code=Code.txFAILED, fee_charged=charged, operations=[result]
            ),
            operation_events=[[]],
            diagnostics=done.diagnostics,
        )
    view.merge(done.view)
    success = xdr.InvokeHostFunctionResult(
        Invoke.INVOKE_HOST_FUNCTION_SUCCESS, success=_success_hash(done.value, done.events)
    )
    result = inner(Kind.INVOKE_HOST_FUNCTION, invoke_host_function_result=success)
    return Outcome(
        envelope=envelope,
        result=transaction_result(
            envelope, code=Code.txSUCCESS, fee_charged=charged, operations=[result]
        ),
        successful=True,
        value=done.value,
        operation_events=[list(done.events)],
    )


def _apply_footprint_operation(
    envelope: Envelope, view: View, lifetimes: Lifetimes, charged: int
) -> Outcome:
    """Extend the lives of what is declared as read, or restore what is declared as written.

    Both pass over entries that are missing, an extension over archived ones, a restoration over
    live ones. Source: stellar-core, ExtendFootprintTTLOpFrame.cpp, RestoreFootprintOpFrame.cpp.
    """
    body, sequence = envelope.tx.operations[0].body, view.sequence
    footprint = present(envelope.soroban_data).resources.footprint
    if body.extend_footprint_ttl_op is None:
        for key in _stored(footprint.read_write, view):
            entry = present(view.get(key))
            if lifetimes.is_over(entry.live_until, sequence):
                view.put(key, replace(entry, live_until=lifetimes.first(sequence)))
        restored = xdr.RestoreFootprintResult(
            xdr.RestoreFootprintResultCode.RESTORE_FOOTPRINT_SUCCESS
        )
        result = inner(Kind.RESTORE_FOOTPRINT, restore_footprint_result=restored)
    else:
        ledgers = min(body.extend_footprint_ttl_op.extend_to.uint32, rules.MAX_TTL - 1)
        for key in _stored(footprint.read_only, view):
            entry = present(view.get(key))
            over = lifetimes.is_over(entry.live_until, sequence)
            if not over and present(entry.live_until) < sequence + ledgers:
                view.extend(key, entry, live_until=sequence + ledgers)
        extended = xdr.ExtendFootprintTTLResult(Extend.EXTEND_FOOTPRINT_TTL_SUCCESS)
        result = inner(Kind.EXTEND_FOOTPRINT_TTL, extend_footprint_ttl_result=extended)
    return Outcome(
        envelope=envelope,
        result=transaction_result(
            envelope, code=Code.txSUCCESS, fee_charged=charged, operations=[result]
        ),
        successful=True,
        operation_events=[[]],
    )


def _stored(declared: Sequence[xdr.LedgerKey], view: View) -> list[Key]:
    """Return the keys of stored entries that have a lifetime."""
    found = [(key.to_xdr_bytes(), view.get(key.to_xdr_bytes())) for key in declared]
    return [key for key, entry in found if entry is not None and entry.live_until is not None]


def _success_hash(value: xdr.SCVal, emitted: Sequence[xdr.ContractEvent]) -> xdr.Hash:
    preimage = xdr.InvokeHostFunctionSuccessPreImage(value, list(emitted))
    return xdr.Hash(hashlib.sha256(preimage.to_xdr_bytes()).digest())
