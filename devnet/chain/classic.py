"""Classic operations, and the rules of account creation, trust, payment and sponsoring.

Every function changes the given view, or raises `OperationFailedError` with the network's result
code; the caller drops the view of a failed transaction.
"""

from collections.abc import Callable
from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain import accounts, assets, events, holdings, issuing, keys, reserves, rules
from devnet.chain.addresses import from_account_id, from_muxed, present
from devnet.chain.assets import NATIVE, AssetRef
from devnet.chain.context import OperationContext
from devnet.chain.entries import (
    Account,
    Trustline,
    read_account,
    read_trustline,
    write_account,
    write_trustline,
)
from devnet.chain.instances import deploy_asset_contract
from devnet.chain.results import OperationCode, OperationFailedError, inner, refused
from devnet.chain.state import View

Kind = xdr.OperationType
Create = xdr.CreateAccountResultCode
Trust = xdr.ChangeTrustResultCode
Pay = xdr.PaymentResultCode
Begin = xdr.BeginSponsoringFutureReservesResultCode
End = xdr.EndSponsoringFutureReservesResultCode


def apply_operation(
    operation: xdr.Operation, *, source: str, context: OperationContext
) -> xdr.OperationResult:
    """Apply one classic operation of `source`.

    Raises: OperationFailedError: refused, nothing of the transaction may stay.
    """
    if read_account(context.view, source) is None:
        raise OperationFailedError(refused(OperationCode.opNO_ACCOUNT))
    handler = OPERATIONS.get(operation.body.type)
    if handler is None:
        raise OperationFailedError(refused(OperationCode.opNOT_SUPPORTED))
    return handler(operation.body, source, context)


def _create_account(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    op = present(body.create_account_op)
    address, amount = from_account_id(op.destination), op.starting_balance.int64
    view, sponsor = context.view, context.sponsorships.sponsor_of(address)
    if amount < 0 or address == source:
        raise _create_failed(Create.CREATE_ACCOUNT_MALFORMED)
    if read_account(view, address) is not None:
        raise _create_failed(Create.CREATE_ACCOUNT_ALREADY_EXIST)
    if sponsor is None and amount < rules.ACCOUNT_RESERVES * rules.BASE_RESERVE:
        raise _create_failed(Create.CREATE_ACCOUNT_LOW_RESERVE)
    try:
        holdings.debit(view, address=source, asset=NATIVE, amount=amount)
    except holdings.UnderfundedError as error:
        raise _create_failed(Create.CREATE_ACCOUNT_UNDERFUNDED) from error
    account = Account(address=address, balance=amount, sequence=view.sequence << 32)
    write_account(view, account, sponsor=sponsor)
    if sponsor is not None:
        try:
            reserves.claim(
                view,
                payer=sponsor,
                owner=address,
                reserves=rules.ACCOUNT_RESERVES,
                sponsored=True,
            )
        except reserves.LowReserveError as error:
            raise _create_failed(Create.CREATE_ACCOUNT_LOW_RESERVE) from error
    if amount:
        context.moved(NATIVE, source, address, amount)
    return _created(Create.CREATE_ACCOUNT_SUCCESS)


def _created(code: xdr.CreateAccountResultCode) -> xdr.OperationResult:
    return inner(Kind.CREATE_ACCOUNT, create_account_result=xdr.CreateAccountResult(code))


def _create_failed(code: xdr.CreateAccountResultCode) -> OperationFailedError:
    return OperationFailedError(_created(code))


def _payment(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    op = present(body.payment_op)
    amount, asset = op.amount.int64, assets.from_xdr(op.asset)
    target = from_muxed(op.destination)
    if amount <= 0:
        raise _payment_failed(Pay.PAYMENT_MALFORMED)
    try:
        holdings.credit(context.view, address=target.account, asset=asset, amount=amount)
    except holdings.AccountMissingError as error:
        raise _payment_failed(Pay.PAYMENT_NO_DESTINATION) from error
    except holdings.TrustlineMissingError as error:
        raise _payment_failed(Pay.PAYMENT_NO_TRUST) from error
    except holdings.NotAuthorizedError as error:
        raise _payment_failed(Pay.PAYMENT_NOT_AUTHORIZED) from error
    except holdings.LineFullError as error:
        raise _payment_failed(Pay.PAYMENT_LINE_FULL) from error
    try:
        holdings.debit(context.view, address=source, asset=asset, amount=amount)
    except holdings.TrustlineMissingError as error:
        raise _payment_failed(Pay.PAYMENT_SRC_NO_TRUST) from error
    except holdings.NotAuthorizedError as error:
        raise _payment_failed(Pay.PAYMENT_SRC_NOT_AUTHORIZED) from error
    except holdings.UnderfundedError as error:
        raise _payment_failed(Pay.PAYMENT_UNDERFUNDED) from error
    if target.muxed_id is not None:
        tag: xdr.SCVal | None = scval.to_uint64(target.muxed_id)
    else:
        tag = events.memo_tag(context.memo)
    context.moved(asset, source, target.account, amount, tag)
    return _paid(Pay.PAYMENT_SUCCESS)


def _paid(code: xdr.PaymentResultCode) -> xdr.OperationResult:
    return inner(Kind.PAYMENT, payment_result=xdr.PaymentResult(code))


def _payment_failed(code: xdr.PaymentResultCode) -> OperationFailedError:
    return OperationFailedError(_paid(code))


def _change_trust(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    op = present(body.change_trust_op)
    if op.line.type == xdr.AssetType.ASSET_TYPE_POOL_SHARE:
        raise OperationFailedError(refused(OperationCode.opNOT_SUPPORTED))
    asset, limit = assets.from_xdr(op.line), op.limit.int64
    if asset.issuer is None or asset.issuer == source or limit < 0:
        raise _trust_failed(Trust.CHANGE_TRUST_MALFORMED)
    line = read_trustline(context.view, source, asset)
    if line is None:
        _open_trustline(asset, limit, source, context)
    elif limit < line.balance:
        raise _trust_failed(Trust.CHANGE_TRUST_INVALID_LIMIT)
    elif limit == 0:
        _close_trustline(line, context.view)
    else:
        write_trustline(context.view, replace(line, limit=limit))
    return _trusted(Trust.CHANGE_TRUST_SUCCESS)


def _open_trustline(asset: AssetRef, limit: int, owner: str, context: OperationContext) -> None:
    view, sponsor = context.view, context.sponsorships.sponsor_of(owner)
    if limit == 0:
        raise _trust_failed(Trust.CHANGE_TRUST_INVALID_LIMIT)
    issuer = read_account(view, present(asset.issuer))
    if issuer is None:
        raise _trust_failed(Trust.CHANGE_TRUST_NO_ISSUER)
    line = Trustline(
        address=owner,
        asset=asset,
        balance=0,
        limit=limit,
        authorized=not issuer.flags & rules.AUTH_REQUIRED,
        clawback=bool(issuer.flags & rules.AUTH_CLAWBACK_ENABLED),
    )
    write_trustline(view, line, sponsor=sponsor)
    accounts.count_sub_entry(view, owner, 1)
    try:
        reserves.claim(
            view, payer=sponsor or owner, owner=owner, reserves=1, sponsored=sponsor is not None
        )
    except reserves.LowReserveError as error:
        raise _trust_failed(Trust.CHANGE_TRUST_LOW_RESERVE) from error
    # As on the public network, where the contract of every asset in use is already deployed.
    deploy_asset_contract(
        view, asset=asset, passphrase=context.passphrase, lifetimes=context.lifetimes
    )


def _close_trustline(line: Trustline, view: View) -> None:
    key = keys.trustline(line.address, line.asset)
    sponsor = present(view.get(key)).sponsor
    view.delete(key)
    accounts.count_sub_entry(view, line.address, -1)
    reserves.give_back(view, sponsor=sponsor, owner=line.address, reserves=1)


def _trusted(code: xdr.ChangeTrustResultCode) -> xdr.OperationResult:
    return inner(Kind.CHANGE_TRUST, change_trust_result=xdr.ChangeTrustResult(code))


def _trust_failed(code: xdr.ChangeTrustResultCode) -> OperationFailedError:
    return OperationFailedError(_trusted(code))


def _begin_sponsoring(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    op = present(body.begin_sponsoring_future_reserves_op)
    sponsored = from_account_id(op.sponsored_id)
    opened = context.sponsorships.open
    if sponsored == source:
        raise _begin_failed(Begin.BEGIN_SPONSORING_FUTURE_RESERVES_MALFORMED)
    if sponsored in opened:
        raise _begin_failed(Begin.BEGIN_SPONSORING_FUTURE_RESERVES_ALREADY_SPONSORED)
    if source in opened or sponsored in opened.values():
        raise _begin_failed(Begin.BEGIN_SPONSORING_FUTURE_RESERVES_RECURSIVE)
    opened[sponsored] = source
    return _begun(Begin.BEGIN_SPONSORING_FUTURE_RESERVES_SUCCESS)


def _begun(code: xdr.BeginSponsoringFutureReservesResultCode) -> xdr.OperationResult:
    result = xdr.BeginSponsoringFutureReservesResult(code)
    return inner(
        Kind.BEGIN_SPONSORING_FUTURE_RESERVES, begin_sponsoring_future_reserves_result=result
    )


def _begin_failed(code: xdr.BeginSponsoringFutureReservesResultCode) -> OperationFailedError:
    return OperationFailedError(_begun(code))


def _end_sponsoring(
    _body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    code = End.END_SPONSORING_FUTURE_RESERVES_SUCCESS
    if context.sponsorships.open.pop(source, None) is None:
        code = End.END_SPONSORING_FUTURE_RESERVES_NOT_SPONSORED
    result = inner(
        Kind.END_SPONSORING_FUTURE_RESERVES,
        end_sponsoring_future_reserves_result=xdr.EndSponsoringFutureReservesResult(code),
    )
    if code != End.END_SPONSORING_FUTURE_RESERVES_SUCCESS:
        raise OperationFailedError(result)
    return result


Handler = Callable[[xdr.OperationBody, str, OperationContext], xdr.OperationResult]

OPERATIONS: dict[xdr.OperationType, Handler] = {
    Kind.CREATE_ACCOUNT: _create_account,
    Kind.PAYMENT: _payment,
    Kind.CHANGE_TRUST: _change_trust,
    Kind.BEGIN_SPONSORING_FUTURE_RESERVES: _begin_sponsoring,
    Kind.END_SPONSORING_FUTURE_RESERVES: _end_sponsoring,
    Kind.ACCOUNT_MERGE: accounts.merge,
    Kind.MANAGE_DATA: accounts.manage_data,
    Kind.SET_OPTIONS: accounts.set_options,
    Kind.SET_TRUST_LINE_FLAGS: issuing.set_trust_line_flags,
    Kind.CLAWBACK: issuing.claw_back,
}
