"""Balances of accounts, native and issued: arithmetic for payments and the asset contract."""

from dataclasses import replace

from devnet.chain import rules
from devnet.chain.assets import AssetRef
from devnet.chain.entries import read_account, read_trustline, write_account, write_trustline
from devnet.chain.state import View
from devnet.chain.validity import spendable


class AccountMissingError(Exception):
    """The account does not exist."""


class TrustlineMissingError(Exception):
    """The account does not trust the asset."""


class NotAuthorizedError(Exception):
    """The issuer does not let the holder receive or pay."""


class UnderfundedError(Exception):
    """The balance above the reserve is too small."""


class LineFullError(Exception):
    """The amount exceeds the receiver's limit."""


def credit(view: View, *, address: str, asset: AssetRef, amount: int) -> None:
    """Add minor units to an account; the issuer's own holdings are not counted.

    Raises: AccountMissingError; TrustlineMissingError; NotAuthorizedError; LineFullError.
    """
    if address == asset.issuer:
        return
    if asset.issuer is None:
        account = read_account(view, address)
        if account is None:
            raise AccountMissingError(address)
        if account.balance + amount > rules.INT64_MAX:
            raise LineFullError(address)
        write_account(view, replace(account, balance=account.balance + amount))
        return
    line = read_trustline(view, address, asset)
    if line is None:
        # The account itself is read only now, because a contract's footprint does not list it.
        raise _nobody_there(view, address)
    if not line.authorized:
        raise NotAuthorizedError(address)
    if line.balance + amount > line.limit:
        raise LineFullError(address)
    write_trustline(view, replace(line, balance=line.balance + amount))


def _nobody_there(view: View, address: str) -> Exception:
    if read_account(view, address) is None:
        return AccountMissingError(address)
    return TrustlineMissingError(address)


def debit(view: View, *, address: str, asset: AssetRef, amount: int) -> None:
    """Take minor units from an account; an issuer can always pay its own asset.

    Raises: AccountMissingError; TrustlineMissingError; NotAuthorizedError; UnderfundedError.
    """
    if address == asset.issuer:
        return
    if asset.issuer is None:
        account = read_account(view, address)
        if account is None:
            raise AccountMissingError(address)
        if spendable(account) < amount:
            raise UnderfundedError(address)
        write_account(view, replace(account, balance=account.balance - amount))
        return
    line = read_trustline(view, address, asset)
    if line is None:
        raise TrustlineMissingError(address)
    if not line.authorized:
        raise NotAuthorizedError(address)
    if line.balance < amount:
        raise UnderfundedError(address)
    write_trustline(view, replace(line, balance=line.balance - amount))
