"""Functions of the escrow contract that end it: release, dispute, resolve, withdraw."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain.values import symbol
from devnet.soroban import payouts
from devnet.soroban.errors import contract_error
from devnet.soroban.escrow_codes import Refusal
from devnet.soroban.escrow_storage import EscrowStorage
from devnet.soroban.escrow_value import Escrow, Flags, address
from devnet.soroban.payouts import Fees

MAX_DISTRIBUTIONS = 50
I128_MAX = 2**127 - 1


def release(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Pay the escrowed amount, less fees, to the receiver; a surplus stays in the contract."""
    signer = address(args[0])
    escrow = storage.load()
    if escrow.flags.released:
        raise contract_error(Refusal.ALREADY_RELEASED)
    if escrow.flags.resolved:
        raise contract_error(Refusal.ALREADY_RESOLVED)
    if signer != escrow.roles.release_signer:
        raise contract_error(Refusal.ONLY_RELEASE_SIGNER)
    if not escrow.milestones:
        raise contract_error(Refusal.NO_MILESTONE_DEFINED)
    if not all(milestone.approved for milestone in escrow.milestones):
        raise contract_error(Refusal.ESCROW_NOT_COMPLETED)
    if escrow.flags.disputed:
        raise contract_error(Refusal.OPENED_FOR_DISPUTE_RESOLUTION)
    storage.host.require_auth(signer)
    storage.save(replace(escrow, flags=replace(escrow.flags, released=True)))
    if storage.balance_of(escrow.token, storage.host.contract) < escrow.amount:
        raise contract_error(Refusal.BALANCE_NOT_ENOUGH_TO_RELEASE)
    fees, rest = payouts.released(escrow.amount, platform_bps=escrow.platform_fee)
    _pay(storage, escrow, fees, {escrow.roles.receiver: rest}, args[1:])
    storage.host.emit([symbol("tw_release")], args[0])
    return scval.to_void()


def dispute(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Freeze the escrow. Any role may do it, except the dispute resolver."""
    signer = address(args[0])
    escrow = storage.load()
    if escrow.flags.disputed:
        raise contract_error(Refusal.ALREADY_IN_DISPUTE)
    if escrow.flags.resolved:
        raise contract_error(Refusal.ALREADY_RESOLVED)
    if signer not in escrow.roles.everyone():
        raise contract_error(Refusal.UNAUTHORIZED_TO_DISPUTE)
    if signer == escrow.roles.dispute_resolver:
        raise contract_error(Refusal.RESOLVER_CANNOT_DISPUTE)
    storage.host.require_auth(signer)
    value = storage.save(replace(escrow, flags=replace(escrow.flags, disputed=True)))
    storage.host.emit([symbol("tw_dispute")], scval.to_vec([value]))
    return scval.to_void()


def resolve(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Pay out the whole balance as the dispute resolver decides."""
    resolver, shares = address(args[0]), _distributions(args[1])
    escrow = storage.load()
    balance = storage.balance_of(escrow.token, storage.host.contract)
    total = _total(shares)
    if resolver != escrow.roles.dispute_resolver:
        raise contract_error(Refusal.ONLY_DISPUTE_RESOLVER)
    if not escrow.flags.disputed:
        raise contract_error(Refusal.NOT_IN_DISPUTE)
    if balance < total:
        raise contract_error(Refusal.INSUFFICIENT_FUNDS_FOR_RESOLUTION)
    if balance != total:
        raise contract_error(Refusal.DISTRIBUTIONS_MUST_EQUAL_BALANCE)
    if total <= 0:
        raise contract_error(Refusal.TOTAL_CANNOT_BE_ZERO)
    storage.host.require_auth(resolver)
    flags = Flags(disputed=False, released=escrow.flags.released, resolved=True)
    value = storage.save(replace(escrow, flags=flags))
    fees, paid = payouts.distributed(shares, platform_bps=escrow.platform_fee)
    _pay(storage, escrow, fees, paid, args[2:])
    storage.host.emit([symbol("tw_disp_resolve")], scval.to_vec([value]))
    return scval.to_void()


def withdraw(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    """Pay out the rest after the end, or during a dispute; emits no event of its own."""
    resolver, shares = address(args[0]), _distributions(args[1])
    escrow = storage.load()
    balance = storage.balance_of(escrow.token, storage.host.contract)
    total = _total(shares)
    if resolver != escrow.roles.dispute_resolver:
        raise contract_error(Refusal.ONLY_DISPUTE_RESOLVER)
    flags = escrow.flags
    if not (flags.released or flags.resolved or flags.disputed):
        raise contract_error(Refusal.NOT_FULLY_PROCESSED)
    if total <= 0:
        raise contract_error(Refusal.TOTAL_CANNOT_BE_ZERO)
    if balance < total:
        raise contract_error(Refusal.INSUFFICIENT_FUNDS_FOR_RESOLUTION)
    storage.host.require_auth(resolver)
    fees, paid = payouts.distributed(shares, platform_bps=escrow.platform_fee)
    _pay(storage, escrow, fees, paid, args[2:])
    storage.save(escrow)
    return scval.to_void()


def _total(shares: Mapping[str, int]) -> int:
    """Add up the shares in order. Raises: HostError: numbers 38, 17 and 45."""
    total = 0
    for amount in shares.values():
        if amount <= 0:
            raise contract_error(Refusal.AMOUNTS_SHOULD_BE_POSITIVE)
        total += amount
        if total > I128_MAX:
            raise contract_error(Refusal.OVERFLOW)
    if len(shares) > MAX_DISTRIBUTIONS:
        raise contract_error(Refusal.TOO_MANY_DISTRIBUTIONS)
    return total


def _distributions(value: xdr.SCVal) -> dict[str, int]:
    return {
        address(recipient): scval.from_int128(amount)
        for recipient, amount in scval.from_map(value).items()
    }


def _pay(
    storage: EscrowStorage,
    escrow: Escrow,
    fees: Fees,
    receivers: Mapping[str, int],
    fee_address: Sequence[xdr.SCVal],
) -> None:
    """Pay provider, platform and receivers, in this order.

    fee_address: the call's last argument, in builds that take it.
    """
    provider = address(fee_address[0]) if fee_address else storage.fee_address
    storage.pay(escrow.token, receiver=provider, amount=fees.provider)
    storage.pay(escrow.token, receiver=escrow.roles.platform, amount=fees.platform)
    for receiver, amount in receivers.items():
        storage.pay(escrow.token, receiver=receiver, amount=amount)
