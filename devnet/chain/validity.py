"""Validity of a transaction: checked when it is sent and again when its ledger closes."""

from collections.abc import Sequence

from stellar_sdk import xdr

from devnet.chain import fees, keys, rules
from devnet.chain.addresses import present
from devnet.chain.entries import Account, read_account
from devnet.chain.envelope import Envelope, operation_source
from devnet.chain.results import Code, OperationCode, outer_result, refused, transaction_result
from devnet.chain.signatures import Signatures
from devnet.chain.state import Readable

SOROBAN = {
    xdr.OperationType.INVOKE_HOST_FUNCTION,
    xdr.OperationType.EXTEND_FOOTPRINT_TTL,
    xdr.OperationType.RESTORE_FOOTPRINT,
}

MASTER, LOW, MEDIUM, HIGH = range(4)
"""Where an account's thresholds hold the weight of its own key and the three levels."""
ARCHIVABLE = {xdr.LedgerEntryType.CONTRACT_DATA, xdr.LedgerEntryType.CONTRACT_CODE}


def check(envelope: Envelope, *, view: Readable, now: int) -> xdr.TransactionResult | None:
    """Return why the transaction is invalid at Unix second `now`, or None if it is valid."""
    if envelope.fee_bump is not None:
        refusal = _outer_refusal(envelope, view)
        if refusal is not None:
            return outer_result(refusal, fee_charged=minimum_fee(envelope))
    signatures = Signatures(digest=envelope.inner_hash, given=envelope.signatures)
    code = _shape_refusal(envelope) or _time_refusal(envelope, now)
    code = code or _account_refusal(envelope, view, signatures)
    if code is not None:
        charged = minimum_fee(envelope) if code == Code.txINSUFFICIENT_FEE else 0
        return transaction_result(envelope, code=code, fee_charged=charged)
    return _signature_refusal(envelope, view, signatures)


def minimum_fee(envelope: Envelope, *, base_fee: int = rules.BASE_FEE) -> int:
    """Return the fee in stroops for inclusion at a base fee, with the declared resource fee.

    It is charged when the transaction enters a ledger.
    """
    return bidders(envelope) * base_fee + envelope.resource_fee


def bidders(envelope: Envelope) -> int:
    """Return how many operations a transaction bids for; a fee bump counts as one."""
    return max(1, len(envelope.tx.operations)) + (envelope.fee_bump is not None)


def spendable(account: Account) -> int:
    """Return the stroops of XLM above the account's reserve."""
    reserves = rules.ACCOUNT_RESERVES + account.sub_entries + account.sponsoring - account.sponsored
    return account.balance - reserves * rules.BASE_RESERVE


def _outer_refusal(envelope: Envelope, view: Readable) -> xdr.TransactionResultCode | None:
    bump = present(envelope.fee_bump)
    payer = read_account(view, bump.source)
    # A fee bump must bid at least as much for each operation as the transaction inside. Source:
    # CAP-15.
    inner_bid, inner_bidders = envelope.tx.fee.uint32 - envelope.resource_fee, bidders(envelope) - 1
    bid = bump.fee - envelope.resource_fee
    is_lower = bid * inner_bidders < inner_bid * bidders(envelope)
    if bump.fee < minimum_fee(envelope) or is_lower:
        return Code.txINSUFFICIENT_FEE
    if payer is None:
        return Code.txNO_ACCOUNT
    signatures = Signatures(digest=bump.hash, given=bump.signatures)
    if not signatures.reach(payer, threshold=payer.thresholds[LOW]):
        return Code.txBAD_AUTH
    if spendable(payer) < minimum_fee(envelope):
        return Code.txINSUFFICIENT_BALANCE
    return Code.txBAD_AUTH_EXTRA if signatures.unused() else None


def _shape_refusal(envelope: Envelope) -> xdr.TransactionResultCode | None:
    operations = envelope.tx.operations
    if not operations:
        return Code.txMISSING_OPERATION
    soroban = [operation for operation in operations if operation.body.type in SOROBAN]
    if soroban and len(operations) > 1:
        return Code.txMALFORMED
    if bool(soroban) != (envelope.soroban_data is not None):
        return Code.txSOROBAN_INVALID if soroban else Code.txMALFORMED
    if envelope.soroban_data is not None and not _resources_are_valid(envelope):
        return Code.txSOROBAN_INVALID
    return None


def _resources_are_valid(envelope: Envelope) -> bool:
    """Check what a contract transaction declares, and that it offers the fee for it.

    A contract call has no memo. Source: stellar-core, TransactionFrame.cpp, `checkSorobanResources`
    and `validateSorobanMemo`.
    """
    data = present(envelope.soroban_data)
    resources, footprint = fees.of_envelope(envelope), data.resources.footprint
    call = envelope.tx.operations[0].body.invoke_host_function_op
    if call is not None and envelope.tx.memo.type != xdr.MemoType.MEMO_NONE:
        return False
    return (
        _marks_are_valid(data)
        and fees.are_within_limits(resources, footprint)
        and fees.non_refundable(resources) <= data.resource_fee.int64
    )


def _marks_are_valid(data: xdr.SorobanTransactionData) -> bool:
    """Check the marks of archived entries: rising indexes of persistent entries that are written.

    Source: CAP-66; stellar-core, TransactionFrame.cpp, `checkSorobanResources`.
    """
    if data.ext.resource_ext is None:
        return True
    written = data.resources.footprint.read_write
    places = [place.uint32 for place in data.ext.resource_ext.archived_soroban_entries]
    rising = places == sorted(set(places))
    return rising and all(
        place < len(written)
        and written[place].type in ARCHIVABLE
        and keys.is_persistent(written[place].to_xdr_bytes())
        for place in places
    )


def _time_refusal(envelope: Envelope, now: int) -> xdr.TransactionResultCode | None:
    earliest, latest = envelope.time_bounds
    if now < earliest:
        return Code.txTOO_EARLY
    if latest and now > latest:
        return Code.txTOO_LATE
    conditions = envelope.tx.cond.v2
    if conditions is None:
        return None
    demands: Sequence[object] = (
        conditions.ledger_bounds,
        conditions.min_seq_num,
        conditions.min_seq_age.duration.uint64,
        conditions.min_seq_ledger_gap.uint32,
        conditions.extra_signers,
    )
    return Code.txNOT_SUPPORTED if any(demands) else None


def _account_refusal(
    envelope: Envelope, view: Readable, signatures: Signatures
) -> xdr.TransactionResultCode | None:
    if envelope.fee_bump is None and envelope.fee < minimum_fee(envelope):
        return Code.txINSUFFICIENT_FEE
    source = read_account(view, envelope.source)
    if source is None:
        return Code.txNO_ACCOUNT
    if envelope.sequence != source.sequence + 1:
        return Code.txBAD_SEQ
    if not signatures.reach(source, threshold=source.thresholds[LOW]):
        return Code.txBAD_AUTH
    if envelope.fee_bump is None and spendable(source) < minimum_fee(envelope):
        return Code.txINSUFFICIENT_BALANCE
    return None


def _signature_refusal(
    envelope: Envelope, view: Readable, signatures: Signatures
) -> xdr.TransactionResult | None:
    unsigned = 0
    for operation in envelope.tx.operations:
        address = operation_source(operation, envelope)
        account = read_account(view, address)
        # An account that an earlier operation creates must sign with its own key.
        account = account or Account(address=address, balance=0, sequence=0)
        threshold = account.thresholds[_level(operation)]
        unsigned += not signatures.reach(account, threshold=threshold)
    if unsigned:
        results = [refused(OperationCode.opBAD_AUTH)] * unsigned
        return transaction_result(envelope, code=Code.txFAILED, fee_charged=0, operations=results)
    if signatures.unused():
        return transaction_result(envelope, code=Code.txBAD_AUTH_EXTRA, fee_charged=0)
    return None


def _level(operation: xdr.Operation) -> int:
    """Return the threshold that an operation needs.

    Source: stellar-core, `getThresholdLevel` of MergeOpFrame, SetOptionsOpFrame and others.
    """
    options = operation.body.set_options_op
    if operation.body.type == xdr.OperationType.ACCOUNT_MERGE:
        return HIGH
    if options is not None:
        weights = (
            options.master_weight,
            options.low_threshold,
            options.med_threshold,
            options.high_threshold,
            options.signer,
        )
        return HIGH if any(item is not None for item in weights) else MEDIUM
    return LOW if operation.body.type == xdr.OperationType.SET_TRUST_LINE_FLAGS else MEDIUM
