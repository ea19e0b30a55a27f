"""Ledger keys: the canonical XDR bytes under which every entry is stored."""

from functools import lru_cache

from stellar_sdk import scval, xdr

from devnet.chain.addresses import account_id, address_value, from_account_id, present, sc_address
from devnet.chain.assets import AssetRef, trust_line_asset
from devnet.chain.joining import number
from devnet.chain.packed import PackedKey

Key = bytes

PERSISTENT = xdr.ContractDataDurability.PERSISTENT
TEMPORARY = xdr.ContractDataDurability.TEMPORARY

# A key's XDR begins with its type; the key of contract data ends with its durability.
_DATA = xdr.LedgerEntryType.CONTRACT_DATA.to_xdr_bytes()
_CODE = xdr.LedgerEntryType.CONTRACT_CODE.to_xdr_bytes()
_PERSISTENT = number(PERSISTENT)


@lru_cache(maxsize=16384)
def account(address: str) -> Key:
    """Return the key of an account entry."""
    key = xdr.LedgerKeyAccount(account_id(address))
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=key).to_xdr_bytes()


@lru_cache(maxsize=16384)
def trustline(address: str, asset: AssetRef) -> Key:
    """Return the key of an account's trustline to an asset."""
    key = xdr.LedgerKeyTrustLine(account_id(address), trust_line_asset(asset))
    return xdr.LedgerKey(xdr.LedgerEntryType.TRUSTLINE, trust_line=key).to_xdr_bytes()


def contract_data(contract: str, key: xdr.SCVal, durability: xdr.ContractDataDurability) -> Key:
    """Return the key of one value that a contract stores."""
    place = sc_address(contract).to_xdr_bytes() + key.to_xdr_bytes()
    return _DATA + place + number(durability)


@lru_cache(maxsize=16384)
def instance(contract: str) -> Key:
    """Return the key of a contract's instance entry."""
    marker = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)
    return contract_data(contract, marker, PERSISTENT)


@lru_cache(maxsize=16384)
def balance(asset_contract: str, holder: str) -> Key:
    """Return the key of a contract's balance inside an asset contract."""
    name = scval.to_vec([scval.to_symbol("Balance"), address_value(holder)])
    return contract_data(asset_contract, name, PERSISTENT)


def data(address: str, name: bytes) -> Key:
    """Return the key of a value that an account stores under a name."""
    key = xdr.LedgerKeyData(account_id(address), xdr.String64(name))
    return xdr.LedgerKey(xdr.LedgerEntryType.DATA, data=key).to_xdr_bytes()


def nonce(address: str, value: int) -> Key:
    """Return the key that marks an authorisation nonce as used."""
    marker = xdr.SCVal(
        xdr.SCValType.SCV_LEDGER_KEY_NONCE, nonce_key=xdr.SCNonceKey(xdr.Int64(value))
    )
    return contract_data(address, marker, TEMPORARY)


def code(wasm_hash: bytes) -> Key:
    """Return the key of uploaded contract code."""
    key = xdr.LedgerKeyContractCode(xdr.Hash(wasm_hash))
    return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=key).to_xdr_bytes()


@lru_cache(maxsize=4096)
def parse(key: Key) -> xdr.LedgerKey:
    """Read a key back into its XDR object; callers must not change it."""
    return PackedKey(xdr.LedgerKey.from_xdr_bytes(key))


def is_code(key: Key) -> bool:
    """Tell whether a key is that of code."""
    return key.startswith(_CODE)


def is_persistent(key: Key) -> bool:
    """Tell whether an entry can be archived; temporary data is deleted instead."""
    return not key.startswith(_DATA) or key.endswith(_PERSISTENT)


def account_of(key: xdr.LedgerKey) -> str:
    """Return the address of an account key."""
    return from_account_id(present(key.account).account_id)
