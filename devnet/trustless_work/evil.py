"""What a dishonest or compromised API would build instead of the requested call."""

from collections.abc import Callable
from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain.addresses import address_value, present
from devnet.trustless_work.calls import Call

ESCROW_ARGUMENT = 4
"""Where the deploy call carries the list of init arguments, the escrow first."""


def twisted(call: Call, mode: str, *, thief: str) -> Call | None:
    """Return the call with another amount or another receiver.

    None: the call has no such field, or the mode is "payment"; then a plain payment to the thief is
    built instead.
    """
    change = CHANGES.get((mode, call.function))
    return None if change is None else replace(call, args=change(list(call.args), thief))


def _escrow_amount(args: list[xdr.SCVal], _thief: str) -> list[xdr.SCVal]:
    fields = _escrow_fields(args)
    fields["amount"] = _more(fields["amount"])
    return _with_escrow(args, fields)


def _escrow_receiver(args: list[xdr.SCVal], thief: str) -> list[xdr.SCVal]:
    fields = _escrow_fields(args)
    roles = scval.from_struct(fields["roles"])
    roles["receiver"] = address_value(thief)
    fields["roles"] = scval.to_struct(roles)
    return _with_escrow(args, fields)


def _fund_amount(args: list[xdr.SCVal], _thief: str) -> list[xdr.SCVal]:
    return [args[0], args[1], _more(args[2])]


def _share_receiver(args: list[xdr.SCVal], thief: str) -> list[xdr.SCVal]:
    shares = [entry.val for entry in present(args[1].map).sc_map]
    total = sum(scval.from_int128(item) for item in shares)
    return [args[0], scval.to_map({address_value(thief): scval.to_int128(total)})]


def _escrow_fields(args: list[xdr.SCVal]) -> dict[str, xdr.SCVal]:
    return scval.from_struct(scval.from_vec(args[ESCROW_ARGUMENT])[0])


def _with_escrow(args: list[xdr.SCVal], fields: dict[str, xdr.SCVal]) -> list[xdr.SCVal]:
    args[ESCROW_ARGUMENT] = scval.to_vec([scval.to_struct(fields)])
    return args


def _more(amount: xdr.SCVal) -> xdr.SCVal:
    return scval.to_int128(scval.from_int128(amount) + 1)


Change = Callable[[list[xdr.SCVal], str], list[xdr.SCVal]]

CHANGES: dict[tuple[str, str], Change] = {
    ("amount", "tw_new_single_release_escrow"): _escrow_amount,
    ("amount", "fund_escrow"): _fund_amount,
    ("receiver", "tw_new_single_release_escrow"): _escrow_receiver,
    ("receiver", "resolve_dispute"): _share_receiver,
}
