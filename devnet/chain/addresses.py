"""Addresses: strkey text (G…, C…, M…) in the program, XDR unions on the wire."""

from functools import lru_cache
from typing import NamedTuple, TypeVar

from stellar_sdk import Address, StrKey, xdr

from devnet.chain.packed import PackedAddress, PackedValue

T = TypeVar("T")


class MalformedXdrError(ValueError):
    """The union arm of a discriminant is missing or of an unknown kind."""


class Destination(NamedTuple):
    """A payment's receiver: the account, and the multiplexed id if the address has one."""

    account: str
    muxed_id: int | None


def present(value: T | None) -> T:
    """Return a union arm. XDR types declare every arm as optional.

    Raises: MalformedXdrError: the arm is absent.
    """
    if value is None:
        raise MalformedXdrError("union arm is absent")
    return value


@lru_cache(maxsize=16384)
def account_text(raw: bytes) -> str:
    """Spell 32 public key bytes as G…."""
    return StrKey.encode_ed25519_public_key(raw)


@lru_cache(maxsize=16384)
def account_raw(address: str) -> bytes:
    """Return the 32 public key bytes of G….

    Raises: ValueError: not an account address.
    """
    return StrKey.decode_ed25519_public_key(address)


@lru_cache(maxsize=16384)
def contract_raw(address: str) -> bytes:
    """Return the 32 id bytes of C…."""
    return StrKey.decode_contract(address)


@lru_cache(maxsize=16384)
def contract_text(raw: bytes) -> str:
    """Spell 32 contract id bytes as C…."""
    return StrKey.encode_contract(raw)


def is_contract(address: str) -> bool:
    """Tell whether an address is a contract's (C…)."""
    return address.startswith("C")


def public_key(address: str) -> xdr.PublicKey:
    """Return the XDR public key of G…."""
    return xdr.PublicKey(
        xdr.PublicKeyType.PUBLIC_KEY_TYPE_ED25519, xdr.Uint256(account_raw(address))
    )


def account_id(address: str) -> xdr.AccountID:
    """Return the XDR account id of G…."""
    return xdr.AccountID(public_key(address))


def from_account_id(value: xdr.AccountID) -> str:
    """Spell an XDR account id as G…."""
    return account_text(present(value.account_id.ed25519).uint256)


def from_muxed(value: xdr.MuxedAccount) -> Destination:
    """Split an XDR muxed account into G… and its id."""
    if value.type == xdr.CryptoKeyType.KEY_TYPE_ED25519:
        return Destination(account_text(present(value.ed25519).uint256), None)
    inner = present(value.med25519)
    return Destination(account_text(inner.ed25519.uint256), inner.id.uint64)


@lru_cache(maxsize=16384)
def sc_address(address: str) -> xdr.SCAddress:
    """Return G… or C… as the XDR address of contracts; callers must not change it."""
    return PackedAddress(Address(address).to_xdr_sc_address())


@lru_cache(maxsize=16384)
def address_value(address: str) -> xdr.SCVal:
    """Return G… or C… as a contract value; callers must not change it."""
    return PackedValue(xdr.SCVal(xdr.SCValType.SCV_ADDRESS, address=sc_address(address)))


def from_sc_address(value: xdr.SCAddress) -> Destination:
    """Spell an address of contracts as G… or C…, with the id of a multiplexed account.

    Raises: MalformedXdrError: claimable balance and pool addresses.
    """
    if value.type == xdr.SCAddressType.SC_ADDRESS_TYPE_ACCOUNT:
        return Destination(from_account_id(present(value.account_id)), None)
    if value.type == xdr.SCAddressType.SC_ADDRESS_TYPE_CONTRACT:
        return Destination(contract_text(present(value.contract_id).contract_id.hash), None)
    if value.type == xdr.SCAddressType.SC_ADDRESS_TYPE_MUXED_ACCOUNT:
        muxed = present(value.muxed_account)
        return Destination(account_text(muxed.ed25519.uint256), muxed.id.uint64)
    raise MalformedXdrError(f"unsupported address kind {value.type.name}")
