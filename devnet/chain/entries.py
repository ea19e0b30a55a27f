"""Accounts, trustlines, contract data and code: dataclass ↔ `LedgerEntryData` XDR.

Encoded entries are immutable bytes, so their decoded values are cached by content.
"""

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

from stellar_sdk import xdr

from devnet.chain import keys
from devnet.chain.addresses import (
    account_id,
    account_raw,
    account_text,
    from_account_id,
    present,
    sc_address,
)
from devnet.chain.assets import AssetRef, from_xdr, trust_line_asset
from devnet.chain.joining import ABSENT, NO_EXTENSION, array, number
from devnet.chain.known import Known
from devnet.chain.state import Entry, Readable, View

AUTHORIZED, MAINTAINS, CLAWBACK = 1, 2, 4
"""The flags of a trustline: authorized; authorized to keep what it owes; clawback enabled."""
MASTER_KEY_ONLY = b"\x01\x00\x00\x00"

_TWO_LONG = Struct(">qq")
_EXTENSIONS = number(1) + _TWO_LONG.pack(0, 0) + number(2)
"""An account's first extension, with the amounts of its offers, and its second."""
_ED25519 = number(xdr.PublicKeyType.PUBLIC_KEY_TYPE_ED25519)
"""The kind of the keys of accounts and of their signers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account. balance: stroops of XLM. The three counts are in base reserves.

    flags: those of an issuer. thresholds: the master key's weight, then low, medium and high.
    signers: other keys with their weights.
    """

    address: str
    balance: int
    sequence: int
    sub_entries: int = 0
    sponsoring: int = 0
    sponsored: int = 0
    flags: int = 0
    home_domain: bytes = b""
    thresholds: bytes = MASTER_KEY_ONLY
    signers: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trustline:
    """A trustline. balance and limit: minor units (10⁻⁷) of the asset.

    authorized: the issuer lets the holder receive and pay. maintains: the holder may only keep
    existing liabilities. clawback: the issuer may take the balance back.
    """

    address: str
    asset: AssetRef
    balance: int
    limit: int
    authorized: bool = True
    maintains: bool = False
    clawback: bool = False


def read_account(view: Readable, address: str) -> Account | None:
    """Load an account, or None."""
    entry = view.get(keys.account(address))
    return None if entry is None else _accounts.of(entry.data)


def write_account(view: View, account: Account, *, sponsor: str | None = None) -> None:
    """Store an account; a sponsor that was given before is kept."""
    key = keys.account(account.address)
    before = view.get(key)
    kept = before.sponsor if before is not None else sponsor
    view.put(key, Entry(_encode_account(account), sponsor=kept))


def read_trustline(view: Readable, address: str, asset: AssetRef) -> Trustline | None:
    """Load an account's trustline to an asset, or None."""
    entry = view.get(keys.trustline(address, asset))
    return None if entry is None else _trustlines.of(entry.data)


def write_trustline(view: View, line: Trustline, *, sponsor: str | None = None) -> None:
    """Store a trustline; a sponsor that was given before is kept."""
    key = keys.trustline(line.address, line.asset)
    before = view.get(key)
    kept = before.sponsor if before is not None else sponsor
    view.put(key, Entry(encode_trustline(line), sponsor=kept))


def _decode_account(data: bytes) -> Account:
    raw = present(xdr.LedgerEntryData.from_xdr_bytes(data).account)
    counts = present(present(raw.ext.v1).ext.v2)
    return Account(
        address=from_account_id(raw.account_id),
        balance=raw.balance.int64,
        sequence=raw.seq_num.sequence_number.int64,
        sub_entries=raw.num_sub_entries.uint32,
        sponsoring=counts.num_sponsoring.uint32,
        sponsored=counts.num_sponsored.uint32,
        flags=raw.flags.uint32,
        home_domain=raw.home_domain.string32,
        thresholds=raw.thresholds.thresholds,
        signers=tuple(
            (account_text(present(item.key.ed25519).uint256), item.weight.uint32)
            for item in raw.signers
        ),
    )


_accounts = Known(_decode_account, most=16384)


def _encode_account(account: Account) -> bytes:
    signers = [_account_id(address) + number(weight) for address, weight in account.signers]
    name = account.home_domain
    data = b"".join(
        (
            number(xdr.LedgerEntryType.ACCOUNT),
            _account_id(account.address),
            _TWO_LONG.pack(account.balance, account.sequence),
            number(account.sub_entries),
            # There is no inflation destination.
            ABSENT,
            number(account.flags),
            number(len(name)) + name + bytes(-len(name) % 4),
            account.thresholds,
            array(signers),
            _EXTENSIONS,
            number(account.sponsored),
            number(account.sponsoring),
            # Nobody sponsors the reserves of the signers.
            array([ABSENT] * len(signers)),
            NO_EXTENSION,
        )
    )
    _accounts.note(data, account)
    return data


def _account_id(address: str) -> bytes:
    return _ED25519 + account_raw(address)


def encode_data(*, owner: str, name: bytes, value: bytes) -> bytes:
    """Return the `LedgerEntryData` XDR of a value that an account stores under a name."""
    raw = xdr.DataEntry(
        account_id(owner), xdr.String64(name), xdr.DataValue(value), xdr.DataEntryExt(0)
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.DATA, data=raw).to_xdr_bytes()


def _decode_trustline(data: bytes) -> Trustline:
    raw = present(xdr.LedgerEntryData.from_xdr_bytes(data).trust_line)
    return Trustline(
        address=from_account_id(raw.account_id),
        asset=from_xdr(raw.asset),
        balance=raw.balance.int64,
        limit=raw.limit.int64,
        authorized=bool(raw.flags.uint32 & AUTHORIZED),
        maintains=bool(raw.flags.uint32 & MAINTAINS),
        clawback=bool(raw.flags.uint32 & CLAWBACK),
    )


_trustlines = Known(_decode_trustline, most=16384)


def encode_trustline(line: Trustline) -> bytes:
    """Return the trustline's `LedgerEntryData` XDR."""
    flags = AUTHORIZED * line.authorized | MAINTAINS * line.maintains | CLAWBACK * line.clawback
    data = b"".join(
        (
            number(xdr.LedgerEntryType.TRUSTLINE),
            _account_id(line.address),
            _asset(line.asset),
            _TWO_LONG.pack(line.balance, line.limit),
            number(flags),
            NO_EXTENSION,
        )
    )
    _trustlines.note(data, line)
    return data


@lru_cache(maxsize=1024)
def _asset(asset: AssetRef) -> bytes:
    return trust_line_asset(asset).to_xdr_bytes()


def decode_contract_data(data: bytes) -> xdr.SCVal:
    """Return the value of a contract data entry; callers must not change it."""
    return _values.of(data)


def _decode_value(data: bytes) -> xdr.SCVal:
    return present(xdr.LedgerEntryData.from_xdr_bytes(data).contract_data).val


_values = Known(_decode_value, most=512)


def encode_contract_data(
    *, contract: str, key: xdr.SCVal, durability: xdr.ContractDataDurability, value: xdr.SCVal
) -> bytes:
    """Return a contract data entry's `LedgerEntryData` XDR; the value must not be changed later."""
    data = b"".join(
        (
            number(xdr.LedgerEntryType.CONTRACT_DATA),
            NO_EXTENSION,
            sc_address(contract).to_xdr_bytes(),
            key.to_xdr_bytes(),
            number(durability),
            value.to_xdr_bytes(),
        )
    )
    _values.note(data, value)
    return data


def encode_code(*, wasm_hash: bytes, wasm: bytes) -> bytes:
    """Return uploaded code's `LedgerEntryData` XDR."""
    raw = xdr.ContractCodeEntry(
        ext=xdr.ContractCodeEntryExt(0), hash=xdr.Hash(wasm_hash), code=wasm
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=raw).to_xdr_bytes()
