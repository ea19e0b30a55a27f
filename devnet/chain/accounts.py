"""Operations on an account itself: its options, its named values, its merge.

Sources: stellar-core, SetOptionsOpFrame.cpp, ManageDataOpFrame.cpp, MergeOpFrame.cpp.
"""

from dataclasses import replace

from stellar_sdk import xdr

from devnet.chain import holdings, keys, reserves, rules
from devnet.chain.addresses import account_raw, account_text, from_muxed, present
from devnet.chain.assets import NATIVE
from devnet.chain.context import OperationContext
from devnet.chain.entries import Account, encode_data, read_account, write_account
from devnet.chain.results import OperationFailedError, inner
from devnet.chain.state import Entry, View
from devnet.chain.validity import spendable

Kind = xdr.OperationType
Merge = xdr.AccountMergeResultCode
Data = xdr.ManageDataResultCode
Options = xdr.SetOptionsResultCode

SIGNERS_MAX = 20
WEIGHT_MAX = 255
FLAGS = (
    rules.AUTH_REQUIRED | rules.AUTH_REVOCABLE | rules.AUTH_IMMUTABLE | rules.AUTH_CLAWBACK_ENABLED
)


def count_sub_entry(view: View, address: str, difference: int) -> None:
    """Count an account's sub-entries: trustlines, signers, named values."""
    account = present(read_account(view, address))
    write_account(view, replace(account, sub_entries=account.sub_entries + difference))


def merge(body: xdr.OperationBody, source: str, context: OperationContext) -> xdr.OperationResult:
    """Move an account's whole balance, and remove the account."""
    target, view = from_muxed(present(body.destination)).account, context.view
    account = present(read_account(view, source))
    refusal = _merge_refusal(account, target, view)
    if refusal is not None:
        raise OperationFailedError(_merged(refusal))
    try:
        holdings.credit(view, address=target, asset=NATIVE, amount=account.balance)
    except holdings.LineFullError as error:
        raise OperationFailedError(_merged(Merge.ACCOUNT_MERGE_DEST_FULL)) from error
    key = keys.account(source)
    sponsor = present(view.get(key)).sponsor
    view.delete(key)
    if sponsor is not None:
        reserves.give_back_account(view, sponsor=sponsor)
    if account.balance:
        context.moved(NATIVE, source, target, account.balance)
    return _merged(Merge.ACCOUNT_MERGE_SUCCESS, account.balance)


def _merge_refusal(account: Account, target: str, view: View) -> xdr.AccountMergeResultCode | None:
    if target == account.address:
        return Merge.ACCOUNT_MERGE_MALFORMED
    if read_account(view, target) is None:
        return Merge.ACCOUNT_MERGE_NO_ACCOUNT
    if account.flags & rules.AUTH_IMMUTABLE:
        return Merge.ACCOUNT_MERGE_IMMUTABLE_SET
    if account.sub_entries != len(account.signers):
        return Merge.ACCOUNT_MERGE_HAS_SUB_ENTRIES
    if account.sequence >= view.sequence << 32:
        return Merge.ACCOUNT_MERGE_SEQNUM_TOO_FAR
    return Merge.ACCOUNT_MERGE_IS_SPONSOR if account.sponsoring else None


def _merged(code: xdr.AccountMergeResultCode, balance: int | None = None) -> xdr.OperationResult:
    moved = None if balance is None else xdr.Int64(balance)
    return inner(Kind.ACCOUNT_MERGE, account_merge_result=xdr.AccountMergeResult(code, moved))


def manage_data(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    """Store a value under a name, or remove the name."""
    op, view = present(body.manage_data_op), context.view
    name = op.data_name.string64
    key = keys.data(source, name)
    known = view.get(key)
    if not name or not name.isascii() or any(byte < ord(" ") for byte in name):
        raise OperationFailedError(_data_kept(Data.MANAGE_DATA_INVALID_NAME))
    if op.data_value is None:
        if known is None:
            raise OperationFailedError(_data_kept(Data.MANAGE_DATA_NAME_NOT_FOUND))
        view.delete(key)
        count_sub_entry(view, source, -1)
        reserves.give_back(view, sponsor=known.sponsor, owner=source, reserves=1)
        return _data_kept(Data.MANAGE_DATA_SUCCESS)
    data = encode_data(owner=source, name=name, value=op.data_value.data_value)
    if known is not None:
        view.put(key, replace(known, data=data))
        return _data_kept(Data.MANAGE_DATA_SUCCESS)
    sponsor = context.sponsorships.sponsor_of(source)
    view.put(key, Entry(data, sponsor=sponsor))
    count_sub_entry(view, source, 1)
    try:
        reserves.claim(
            view, payer=sponsor or source, owner=source, reserves=1, sponsored=sponsor is not None
        )
    except reserves.LowReserveError as error:
        raise OperationFailedError(_data_kept(Data.MANAGE_DATA_LOW_RESERVE)) from error
    return _data_kept(Data.MANAGE_DATA_SUCCESS)


def _data_kept(code: xdr.ManageDataResultCode) -> xdr.OperationResult:
    return inner(Kind.MANAGE_DATA, manage_data_result=xdr.ManageDataResult(code))


def set_options(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    """Change an account's flags, weights, home domain and signers."""
    op, view = present(body.set_options_op), context.view
    account = present(read_account(view, source))
    set_flags = 0 if op.set_flags is None else op.set_flags.uint32
    clear_flags = 0 if op.clear_flags is None else op.clear_flags.uint32
    if set_flags & clear_flags:
        raise _options_refused(Options.SET_OPTIONS_BAD_FLAGS)
    if (set_flags | clear_flags) & ~FLAGS:
        raise _options_refused(Options.SET_OPTIONS_UNKNOWN_FLAG)
    flags = account.flags & ~clear_flags | set_flags
    if flags != account.flags and account.flags & rules.AUTH_IMMUTABLE:
        raise _options_refused(Options.SET_OPTIONS_CANT_CHANGE)
    if flags & rules.AUTH_CLAWBACK_ENABLED and not flags & rules.AUTH_REVOCABLE:
        raise _options_refused(Options.SET_OPTIONS_AUTH_REVOCABLE_REQUIRED)
    given = (op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold)
    weights = [
        old if new is None else new.uint32
        for old, new in zip(account.thresholds, given, strict=True)
    ]
    if max(weights) > WEIGHT_MAX:
        raise _options_refused(Options.SET_OPTIONS_THRESHOLD_OUT_OF_RANGE)
    home_domain = account.home_domain if op.home_domain is None else op.home_domain.string32
    if not home_domain.isascii():
        raise _options_refused(Options.SET_OPTIONS_INVALID_HOME_DOMAIN)
    signers = account.signers if op.signer is None else _signers(op.signer, account)
    changed = replace(
        account,
        flags=flags,
        thresholds=bytes(weights),
        home_domain=home_domain,
        signers=signers,
        sub_entries=account.sub_entries + len(signers) - len(account.signers),
    )
    write_account(view, changed)
    if len(signers) > len(account.signers) and spendable(changed) < 0:
        raise _options_refused(Options.SET_OPTIONS_LOW_RESERVE)
    return _options_set(Options.SET_OPTIONS_SUCCESS)


def _signers(given: xdr.Signer, account: Account) -> tuple[tuple[str, int], ...]:
    """Return an account's signers with one added, reweighted, or removed by weight 0."""
    if given.key.ed25519 is None or given.weight.uint32 > WEIGHT_MAX:
        raise _options_refused(Options.SET_OPTIONS_BAD_SIGNER)
    address, weight = account_text(given.key.ed25519.uint256), given.weight.uint32
    if address == account.address:
        raise _options_refused(Options.SET_OPTIONS_BAD_SIGNER)
    weights = {**dict(account.signers), address: weight}
    if not weight:
        del weights[address]
    if len(weights) > SIGNERS_MAX:
        raise _options_refused(Options.SET_OPTIONS_TOO_MANY_SIGNERS)
    return tuple(sorted(weights.items(), key=lambda item: account_raw(item[0])))


def _options_set(code: xdr.SetOptionsResultCode) -> xdr.OperationResult:
    return inner(Kind.SET_OPTIONS, set_options_result=xdr.SetOptionsResult(code))


def _options_refused(code: xdr.SetOptionsResultCode) -> OperationFailedError:
    return OperationFailedError(_options_set(code))
