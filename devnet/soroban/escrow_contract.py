"""The single-release escrow contract: every function's checks in the contract's own order.

Authorisation is required after validation, so a refusal by number comes before a missing signature.
The same code is the factory: an instance without an escrow deploys new ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from stellar_sdk import scval, xdr

from devnet.chain.values import struct, symbol
from devnet.soroban import escrow_value, milestones, payouts, settlement
from devnet.soroban.deploy import deploy_escrow
from devnet.soroban.errors import Code, Kind, contract_error, host_error
from devnet.soroban.escrow_codes import Refusal
from devnet.soroban.escrow_storage import EscrowStorage
from devnet.soroban.escrow_value import Escrow, address
from devnet.soroban.host import Host
from devnet.soroban.profiles import Profile

MAX_PLATFORM_FEE_BPS = 9_900
MAX_ESCROWS_REQUESTED = 20

Function = Callable[[EscrowStorage, Sequence[xdr.SCVal]], xdr.SCVal]


class EscrowContract:
    """The rules of one build of the contract."""

    def __init__(self, *, profile: Profile, fee_address: str) -> None:
        self._profile = profile
        self._fee_address = fee_address
        extra = 1 if profile.takes_fee_address else 0
        self._functions: dict[str, tuple[int, Function]] = {
            "tw_new_single_release_escrow": (6, deploy_escrow),
            "initialize_escrow": (1, _initialize),
            "get_escrow": (0, _get),
            "get_escrow_by_contract_id": (1, _get_by_contract_id),
            "get_multiple_escrow_balances": (1, _get_balances),
            "fund_escrow": (3, _fund),
            "change_milestone_status": (4, milestones.change_status),
            "approve_milestone": (2, milestones.approve),
            "release_funds": (1 + extra, settlement.release),
            "dispute_escrow": (1, settlement.dispute),
            "resolve_dispute": (2 + extra, settlement.resolve),
            "withdraw_remaining_funds": (2 + extra, settlement.withdraw),
            "update_escrow": (2, _update),
            "extend_contract_ttl": (2, _extend_ttl),
        }

    def __call__(self, host: Host, function: str, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        """Run a function. Raises: HostError."""
        arity, body = self._functions.get(function, (-1, None))
        if body is None:
            note = "trying to invoke non-existent contract function"
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_MISSING_VALUE, note)
        if len(args) != arity:
            note = "wrong argument count"
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_UNEXPECTED_SIZE, note)
        storage = EscrowStorage(host, profile=self._profile, fee_address=self._fee_address)
        try:
            return body(storage, args)
        except (ValueError, AttributeError) as error:
            # The real contract traps if an argument is not of the declared type.
            note = f"bad argument: {error}"
            raise host_error(Kind.SCE_WASM_VM, Code.SCEC_INVALID_ACTION, note) from error


def _initialize(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    escrow = escrow_value.decode(args[0], profile=storage.profile)
    if storage.find() is not None:
        raise contract_error(Refusal.ESCROW_ALREADY_INITIALIZED)
    _check_size(escrow, storage.profile)
    if _any_flag(escrow) or _any_approved(escrow):
        raise contract_error(Refusal.FLAGS_MUST_BE_FALSE)
    value = storage.save(escrow)
    storage.host.emit([symbol("tw_init")], scval.to_vec([value]))
    return value


def _check_size(escrow: Escrow, profile: Profile) -> None:
    """Check the numbers of a new or changed escrow. Raises: HostError."""
    fee = escrow.platform_fee
    if fee > MAX_PLATFORM_FEE_BPS or fee + payouts.PROVIDER_BPS > payouts.DENOMINATOR:
        raise contract_error(Refusal.PLATFORM_FEE_TOO_HIGH)
    if escrow.amount <= 0:
        raise contract_error(Refusal.AMOUNT_CANNOT_BE_ZERO)
    if not escrow.milestones:
        raise contract_error(Refusal.NO_MILESTONE_DEFINED)
    if len(escrow.milestones) > profile.max_milestones:
        raise contract_error(Refusal.TOO_MANY_MILESTONES)


def _any_flag(escrow: Escrow) -> bool:
    flags = escrow.flags
    return flags.disputed or flags.released or flags.resolved


def _any_approved(escrow: Escrow) -> bool:
    return any(milestone.approved for milestone in escrow.milestones)


def _get(storage: EscrowStorage, _args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    return storage.load_value()


def _get_by_contract_id(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    value = storage.host.call(address(args[0]), "get_escrow", [])
    escrow_value.decode(value, profile=storage.profile)
    return value


def _get_balances(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    contracts = scval.from_vec(args[0])
    if len(contracts) > MAX_ESCROWS_REQUESTED:
        raise contract_error(Refusal.TOO_MANY_ESCROWS_REQUESTED)
    found = []
    for contract in contracts:
        if address(contract) == storage.host.contract:
            token = storage.load().token
        else:
            value = _get_by_contract_id(storage, [contract])
            token = escrow_value.decode(value, profile=storage.profile).token
        balance = storage.balance_of(token, address(contract))
        decimals = storage.decimals_of(token)
        fields = {
            "address": contract,
            "balance": scval.to_int128(balance),
            "trustline_decimals": scval.to_uint32(decimals),
        }
        found.append(struct(fields))
    return scval.to_vec(found)


def _fund(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    signer = address(args[0])
    expected = escrow_value.decode(args[1], profile=storage.profile)
    amount = scval.from_int128(args[2])
    escrow = storage.load()
    balance = storage.balance_of(escrow.token, signer)
    if amount <= 0:
        raise contract_error(Refusal.AMOUNT_CANNOT_BE_ZERO)
    if expected != escrow:
        raise contract_error(Refusal.PROPERTIES_MISMATCH)
    if balance < amount:
        raise contract_error(Refusal.INSUFFICIENT_FUNDS_FOR_FUNDING)
    storage.host.require_auth(signer)
    storage.transfer(escrow.token, sender=signer, receiver=storage.host.contract, amount=amount)
    storage.host.emit([symbol("tw_fund")], scval.to_vec([args[0], args[2]]))
    return scval.to_void()


def _update(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    platform = address(args[0])
    wanted = escrow_value.decode(args[1], profile=storage.profile)
    escrow = storage.load()
    balance = storage.balance_of(escrow.token, storage.host.contract)
    _check_size(wanted, storage.profile)
    if platform != escrow.roles.platform:
        raise contract_error(Refusal.ONLY_PLATFORM)
    if wanted.roles.platform != escrow.roles.platform:
        raise contract_error(Refusal.PLATFORM_CANNOT_BE_CHANGED)
    if escrow.flags.disputed:
        raise contract_error(Refusal.OPENED_FOR_DISPUTE_RESOLUTION)
    if _any_flag(wanted):
        raise contract_error(Refusal.FLAGS_MUST_BE_FALSE)
    if balance > 0:
        _check_appended(escrow, wanted)
    elif _any_approved(escrow):
        raise contract_error(Refusal.MILESTONE_APPROVED_CANNOT_CHANGE)
    elif _any_approved(wanted):
        raise contract_error(Refusal.FLAGS_MUST_BE_FALSE)
    storage.host.require_auth(platform)
    value = storage.save(wanted)
    data = scval.to_vec([args[0], scval.to_string(wanted.engagement_id), value])
    storage.host.emit([symbol("tw_update")], data)
    return value


def _check_appended(escrow: Escrow, wanted: Escrow) -> None:
    """Check that a change of a funded escrow only appends milestones."""
    kept = len(escrow.milestones)
    if wanted.milestones[:kept] != escrow.milestones:
        raise contract_error(Refusal.PROPERTIES_MISMATCH)
    if replace(wanted, milestones=escrow.milestones) != escrow:
        raise contract_error(Refusal.PROPERTIES_MISMATCH)
    if any(milestone.approved for milestone in wanted.milestones[kept:]):
        raise contract_error(Refusal.FLAGS_MUST_BE_FALSE)


def _extend_ttl(storage: EscrowStorage, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
    platform, ledgers = address(args[0]), scval.from_uint32(args[1])
    if platform != storage.load().roles.platform:
        raise contract_error(Refusal.ONLY_PLATFORM)
    storage.host.require_auth(platform)
    storage.extend(ledgers)
    storage.host.emit([symbol("tw_ttl_extend")], scval.to_vec([args[0], args[1]]))
    return scval.to_void()
