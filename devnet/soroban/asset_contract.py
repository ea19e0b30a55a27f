"""The Stellar asset contract of one asset: accounts' balances in trustlines, contracts' here.

Error numbers are those of the built-in contract.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from stellar_sdk import scval, xdr

from devnet.chain import events, holdings, keys, rules
from devnet.chain.addresses import address_value, from_sc_address, is_contract, present
from devnet.chain.assets import AssetRef
from devnet.chain.entries import read_account, read_trustline, write_trustline
from devnet.chain.instances import DECIMALS
from devnet.chain.packed import PackedValue
from devnet.chain.values import struct, symbol
from devnet.soroban.errors import Code, HostError, Kind, contract_error, host_error
from devnet.soroban.host import Host

NOT_SUPPORTED = 2
ACCOUNT_MISSING = 6
NEGATIVE_AMOUNT = 8
BALANCE = 10
DEAUTHORIZED = 11
OVERFLOW = 12
TRUSTLINE_MISSING = 13

I128_MAX = 2**127 - 1
DAY_LEDGERS = 17_280
"""Ledgers of five seconds in a day."""

Change = Callable[..., None]


class Held(NamedTuple):
    """A contract's balance in minor units, and whether the issuer lets it move."""

    amount: int
    authorized: bool


class AssetContract:
    """The rules behind one asset's contract address."""

    def __init__(self, asset: AssetRef) -> None:
        self._asset = asset
        self._functions: dict[str, tuple[int, Callable[[Host, Sequence[xdr.SCVal]], xdr.SCVal]]] = {
            "transfer": (3, self._transfer),
            "balance": (1, self._balance),
            "authorized": (1, self._authorized),
            "set_authorized": (2, self._set_authorized),
            "decimals": (0, self._decimals),
            "name": (0, self._name),
            "symbol": (0, self._symbol),
        }

    def __call__(self, host: Host, function: str, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        """Run a function. Raises: HostError."""
        arity, body = self._functions.get(function, (-1, None))
        if body is None:
            raise host_error(Kind.SCE_CONTEXT, Code.SCEC_MISSING_VALUE, f"no function {function}")
        if len(args) != arity:
            raise host_error(Kind.SCE_CONTEXT, Code.SCEC_UNEXPECTED_SIZE, "wrong argument count")
        try:
            return body(host, args)
        except (ValueError, AttributeError) as error:
            raise host_error(
                Kind.SCE_VALUE, Code.SCEC_UNEXPECTED_TYPE, f"bad argument: {error}"
            ) from error

    def _transfer(self, host: Host, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        sender = from_sc_address(present(args[0].address)).account
        receiver = from_sc_address(present(args[1].address))
        amount = scval.from_int128(args[2])
        if amount < 0:
            raise contract_error(NEGATIVE_AMOUNT, "negative amount is not allowed")
        host.require_auth(sender)
        _extend_instance(host)
        self._spend(host, sender, amount)
        self._receive(host, receiver.account, amount)
        tag = None if receiver.muxed_id is None else scval.to_uint64(receiver.muxed_id)
        host.publish(
            events.movement(
                passphrase=host.passphrase,
                asset=self._asset,
                sender=sender,
                receiver=receiver.account,
                amount=amount,
                tag=tag,
            )
        )
        return scval.to_void()

    def _spend(self, host: Host, address: str, amount: int) -> None:
        self._check_authorized(host, address)
        if not is_contract(address):
            self._move(host, holdings.debit, address, amount)
            return
        held = _held(host, address)
        if (0 if held is None else held.amount) < amount:
            raise contract_error(BALANCE, "balance is not sufficient to spend")
        if held is not None:
            _hold(host, address, held.amount - amount)

    def _receive(self, host: Host, address: str, amount: int) -> None:
        self._check_authorized(host, address)
        if not is_contract(address):
            self._move(host, holdings.credit, address, amount)
            return
        held = _held(host, address)
        after = amount if held is None else held.amount + amount
        if after > I128_MAX:
            raise contract_error(OVERFLOW, "balance overflows")
        _hold(host, address, after)

    def _move(self, host: Host, change: Change, address: str, amount: int) -> None:
        if amount > rules.INT64_MAX:
            raise contract_error(OVERFLOW, "amount is beyond what a trustline can hold")
        try:
            change(host.view, address=address, asset=self._asset, amount=amount)
        except (holdings.UnderfundedError, holdings.LineFullError) as error:
            raise contract_error(BALANCE, "resulting balance is not within limits") from error
        except (holdings.TrustlineMissingError, holdings.AccountMissingError) as error:
            raise self._nobody_there() from error

    def _check_authorized(self, host: Host, address: str) -> None:
        if not self._is_authorized(host, address):
            raise contract_error(DEAUTHORIZED, "balance is deauthorized")

    def _is_authorized(self, host: Host, address: str) -> bool:
        issuer = self._asset.issuer
        if is_contract(address):
            held = _held(host, address)
            if held is None and issuer is not None:
                # The issuer's flags decide how a new balance begins: authorized, on this network.
                host.view.get(keys.account(issuer))
            return held is None or held.authorized
        if issuer is None or address == issuer:
            return True
        line = read_trustline(host.view, address, self._asset)
        if line is None:
            raise self._nobody_there()
        return line.authorized

    def _balance(self, host: Host, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        address = from_sc_address(present(args[0].address)).account
        _extend_instance(host)
        if is_contract(address):
            held = _held(host, address)
            if held is None:
                return scval.to_int128(0)
            _extend_balance(host, address)
            return scval.to_int128(held.amount)
        if self._asset.issuer is None:
            account = read_account(host.view, address)
            if account is None:
                raise self._nobody_there()
            return scval.to_int128(account.balance)
        if address == self._asset.issuer:
            return scval.to_int128(2**63 - 1)
        line = read_trustline(host.view, address, self._asset)
        if line is None:
            raise self._nobody_there()
        return scval.to_int128(line.balance)

    def _nobody_there(self) -> HostError:
        if self._asset.issuer is None:
            return contract_error(ACCOUNT_MISSING, "account entry is missing")
        return contract_error(TRUSTLINE_MISSING, "trustline entry is missing for account")

    def _authorized(self, host: Host, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        address = from_sc_address(present(args[0].address)).account
        return scval.to_bool(self._is_authorized(host, address))

    def _set_authorized(self, host: Host, args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        """Let the issuer decide whether a balance moves.

        Source: soroban-env-host, stellar_asset_contract/balance.rs, `write_authorization`.
        """
        holder = from_sc_address(present(args[0].address)).account
        authorized, issuer = scval.from_bool(args[1]), self._asset.issuer
        if issuer is None or holder == issuer:
            raise contract_error(NOT_SUPPORTED, "nobody decides about this balance")
        host.require_auth(issuer)
        _extend_instance(host)
        account = read_account(host.view, issuer)
        if not authorized and not (account and account.flags & rules.AUTH_REVOCABLE):
            raise contract_error(NOT_SUPPORTED, "issuer does not have AUTH_REVOCABLE set")
        if is_contract(holder):
            held = _held(host, holder)
            _hold(host, holder, 0 if held is None else held.amount, authorized=authorized)
        else:
            line = read_trustline(host.view, holder, self._asset)
            if line is None:
                raise self._nobody_there()
            write_trustline(host.view, replace(line, authorized=authorized, maintains=False))
        host.publish(
            events.of_asset(
                passphrase=host.passphrase,
                asset=self._asset,
                name="set_authorized",
                about=args[0],
                data=args[1],
            )
        )
        return scval.to_void()

    def _decimals(self, _host: Host, _args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        return scval.to_uint32(DECIMALS)

    def _name(self, _host: Host, _args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        return scval.to_string(self._asset.name)

    def _symbol(self, _host: Host, _args: Sequence[xdr.SCVal]) -> xdr.SCVal:
        return scval.to_string("native" if self._asset.issuer is None else self._asset.code)


@lru_cache(maxsize=16384)
def _balance_key(address: str) -> xdr.SCVal:
    return PackedValue(scval.to_vec([symbol("Balance"), address_value(address)]))


def _held(host: Host, address: str) -> Held | None:
    """Return the stored balance of a contract, or None before its first receipt."""
    stored = host.read(_balance_key(address))
    if stored is None:
        return None
    fields = scval.from_struct(stored)
    return Held(scval.from_int128(fields["amount"]), scval.from_bool(fields["authorized"]))


def _hold(host: Host, address: str, amount: int, *, authorized: bool = True) -> None:
    """Store a contract's balance. A balance that moves is authorized."""
    value = struct(
        {
            "amount": scval.to_int128(amount),
            "authorized": scval.to_bool(authorized),
            "clawback": scval.to_bool(False),
        }
    )
    host.write(_balance_key(address), value)
    _extend_balance(host, address)


def _extend_balance(host: Host, address: str) -> None:
    key = _balance_key(address)
    host.extend(key, threshold=29 * DAY_LEDGERS, extend_to=30 * DAY_LEDGERS)


def _extend_instance(host: Host) -> None:
    host.extend_instance(threshold=6 * DAY_LEDGERS, extend_to=7 * DAY_LEDGERS)
