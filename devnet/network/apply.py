"""Applies one transaction to a ledger: always its fee and sequence, and all operations or none."""

from dataclasses import replace

from stellar_sdk import xdr

from devnet.chain import events, holdings, rules
from devnet.chain.addresses import present
from devnet.chain.assets import NATIVE
from devnet.chain.classic import apply_operation
from devnet.chain.context import OperationContext
from devnet.chain.entries import read_account, write_account
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.reserves import Sponsorships
from devnet.chain.results import (
    Code,
    OperationFailedError,
    transaction_result,
)
from devnet.chain.state import View
from devnet.chain.validity import SOROBAN, minimum_fee
from devnet.network.changes import entry_changes
from devnet.network.contracts import apply_contract_operation
from devnet.network.outcome import Outcome
from devnet.soroban.invoke import Environment


def apply_transaction(
    envelope: Envelope,
    *,
    ledger: View,
    environment: Environment,
    doomed: bool = False,
    base_fee: int = rules.BASE_FEE,
) -> Outcome:
    """Apply a valid transaction to the ledger that is being closed.

    doomed: let it fail although it is valid, because a fault is armed. base_fee: what every
    operation of this ledger pays for inclusion, in stroops.
    """
    charged, passphrase = minimum_fee(envelope, base_fee=base_fee), environment.passphrase
    paying = ledger.child()
    _charge(envelope, paying, charged)
    is_contract = envelope.tx.operations[0].body.type in SOROBAN
    shows_changes = environment.has_full_meta or not is_contract
    fee_changes = entry_changes(paying.changes, ledger) if shows_changes else []
    ledger.merge(paying)
    view = ledger.child()
    if is_contract:
        outcome = apply_contract_operation(envelope, view, environment, charged, doomed=doomed)
    else:
        outcome = _apply_classic(envelope, view, environment, charged, doomed=doomed)
    payer = envelope.fee_payer
    outcome.fee_event = events.fee(passphrase=passphrase, payer=payer, amount=charged)
    outcome.bid, outcome.fee_changes = base_fee, fee_changes
    if outcome.successful:
        ledger.merge(view)
    refund = 0 if outcome.bill is None else outcome.bill.refund
    if refund:
        # CAP-67: a refund is a negative fee.
        refunding = ledger.child()
        holdings.credit(refunding, address=payer, asset=NATIVE, amount=refund)
        if environment.has_full_meta:
            outcome.refund_changes = entry_changes(refunding.changes, ledger)
        ledger.merge(refunding)
        outcome.give_back(refund)
        outcome.refund_event = events.fee(passphrase=passphrase, payer=payer, amount=-refund)
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
    changes: list[list[xdr.LedgerEntryChange]] = []
    failed = doomed
    for operation in envelope.tx.operations:
        own = view.child()
        context = OperationContext(
            view=own,
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
        changes.append(entry_changes(own.changes, view))
        view.merge(own)
    code = Code.txFAILED if failed else Code.txSUCCESS
    if not failed and sponsorships.open:
        code, failed = Code.txBAD_SPONSORSHIP, True
    shown = results if code in {Code.txFAILED, Code.txSUCCESS} else None
    return Outcome(
        envelope=envelope,
        result=transaction_result(envelope, code=code, fee_charged=charged, operations=shown),
        successful=not failed,
        operation_events=[[] for _ in emitted] if failed else emitted,
        operation_changes=() if failed else changes,
    )
