"""Operations of an asset's issuer: who may hold it, and taking it back.

Sources: stellar-core, SetTrustLineFlagsOpFrame.cpp, ClawbackOpFrame.cpp; CAP-35, CAP-67.
"""

from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain import assets, events, rules
from devnet.chain.addresses import address_value, from_account_id, from_muxed, present
from devnet.chain.context import OperationContext
from devnet.chain.entries import (
    AUTHORIZED,
    CLAWBACK,
    MAINTAINS,
    read_account,
    read_trustline,
    write_trustline,
)
from devnet.chain.results import OperationFailedError, inner

Kind = xdr.OperationType
Flags = xdr.SetTrustLineFlagsResultCode
Claw = xdr.ClawbackResultCode


def set_trust_line_flags(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    """Authorize a holder to use the asset, or withdraw the authorization."""
    op = present(body.set_trust_line_flags_op)
    asset, holder = assets.from_xdr(op.asset), from_account_id(op.trustor)
    given, taken = op.set_flags.uint32, op.clear_flags.uint32
    known = AUTHORIZED | MAINTAINS | CLAWBACK
    is_wrong = given & taken or (given | taken) & ~known or given & CLAWBACK
    both = AUTHORIZED | MAINTAINS
    if asset.issuer != source or holder == source or is_wrong or given & both == both:
        raise OperationFailedError(_flags_set(Flags.SET_TRUST_LINE_FLAGS_MALFORMED))
    issuer = present(read_account(context.view, source))
    line = read_trustline(context.view, holder, asset)
    if line is None:
        raise OperationFailedError(_flags_set(Flags.SET_TRUST_LINE_FLAGS_NO_TRUST_LINE))
    flags = AUTHORIZED * line.authorized | MAINTAINS * line.maintains | CLAWBACK * line.clawback
    wanted = flags & ~taken | given
    if wanted & both == both:
        raise OperationFailedError(_flags_set(Flags.SET_TRUST_LINE_FLAGS_INVALID_STATE))
    loses = (flags & AUTHORIZED and not wanted & AUTHORIZED) or (
        flags & MAINTAINS and not wanted & both
    )
    if loses and not issuer.flags & rules.AUTH_REVOCABLE:
        raise OperationFailedError(_flags_set(Flags.SET_TRUST_LINE_FLAGS_CANT_REVOKE))
    changed = replace(
        line,
        authorized=bool(wanted & AUTHORIZED),
        maintains=bool(wanted & MAINTAINS),
        clawback=bool(wanted & CLAWBACK),
    )
    write_trustline(context.view, changed)
    if (given | taken) & both:
        context.events.append(
            events.of_asset(
                passphrase=context.passphrase,
                asset=asset,
                name="set_authorized",
                about=address_value(holder),
                data=scval.to_bool(changed.authorized),
            )
        )
    return _flags_set(Flags.SET_TRUST_LINE_FLAGS_SUCCESS)


def _flags_set(code: xdr.SetTrustLineFlagsResultCode) -> xdr.OperationResult:
    result = xdr.SetTrustLineFlagsResult(code)
    return inner(Kind.SET_TRUST_LINE_FLAGS, set_trust_line_flags_result=result)


def claw_back(
    body: xdr.OperationBody, source: str, context: OperationContext
) -> xdr.OperationResult:
    """Take an amount back from a holder whose trustline allows it."""
    op = present(body.clawback_op)
    asset, holder, amount = assets.from_xdr(op.asset), from_muxed(op.from_).account, op.amount.int64
    if amount <= 0 or asset.issuer != source or holder == source:
        raise OperationFailedError(_clawed_back(Claw.CLAWBACK_MALFORMED))
    line = read_trustline(context.view, holder, asset)
    if line is None:
        raise OperationFailedError(_clawed_back(Claw.CLAWBACK_NO_TRUST))
    if not line.clawback:
        raise OperationFailedError(_clawed_back(Claw.CLAWBACK_NOT_CLAWBACK_ENABLED))
    if line.balance < amount:
        raise OperationFailedError(_clawed_back(Claw.CLAWBACK_UNDERFUNDED))
    write_trustline(context.view, replace(line, balance=line.balance - amount))
    context.events.append(
        events.of_asset(
            passphrase=context.passphrase,
            asset=asset,
            name="clawback",
            about=address_value(holder),
            data=scval.to_int128(amount),
        )
    )
    return _clawed_back(Claw.CLAWBACK_SUCCESS)


def _clawed_back(code: xdr.ClawbackResultCode) -> xdr.OperationResult:
    return inner(Kind.CLAWBACK, clawback_result=xdr.ClawbackResult(code))
