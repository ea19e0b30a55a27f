"""Accounts, trustlines, contract data and code: dataclass ↔ `LedgerEntryData` XDR.

Encoded entries are immutable bytes, so decoding is cached by content.
"""

from dataclasses import dataclass
from functools import lru_cache

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
from devnet.chain.state import Entry, Readable, View

AUTHORIZED, MAINTAINS, CLAWBACK = 1, 2, 4
"""The flags of a trustline: authorized; authorized to keep what it owes; clawback enabled."""
MASTER_KEY_ONLY = b"\x01\x00\x00\x00"


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

    authorized: the issuer lets the holder receive and pay. maintains: the holder may keep what it
    owes already. clawback: the issuer may take the balance back.
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
    return None if entry is None else _decode_account(entry.data)


def write_account(view: View, account: Account, *, sponsor: str | None = None) -> None:
    """Store an account; a sponsor given once is kept."""
    key = keys.account(account.address)
    before = view.get(key)
    kept = before.sponsor if before is not None else sponsor
    view.put(key, Entry(_encode_account(account), sponsor=kept))


def read_trustline(view: Readable, address: str, asset: AssetRef) -> Trustline | None:
    """Load an account's trustline to an asset, or None."""
    entry = view.get(keys.trustline(address, asset))
    return None if entry is None else _decode_trustline(entry.data)


def write_trustline(view: View, line: Trustline, *, sponsor: str | None = None) -> None:
    """Store a trustline; a sponsor given once is kept."""
    key = keys.trustline(line.address, line.asset)
    before = view.get(key)
    kept = before.sponsor if before is not None else sponsor
    view.put(key, Entry(encode_trustline(line), sponsor=kept))


@lru_cache(maxsize=16384)
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


def _encode_account(account: Account) -> bytes:
    counts = xdr.AccountEntryExtensionV2(
        num_sponsored=xdr.Uint32(account.sponsored),
        num_sponsoring=xdr.Uint32(account.sponsoring),
        signer_sponsoring_i_ds=[xdr.SponsorshipDescriptor(None) for _ in account.signers],
        ext=xdr.AccountEntryExtensionV2Ext(0),
    )
    liabilities = xdr.Liabilities(buying=xdr.Int64(0), selling=xdr.Int64(0))
    extension = xdr.AccountEntryExtensionV1(
        liabilities, xdr.AccountEntryExtensionV1Ext(2, v2=counts)
    )
    raw = xdr.AccountEntry(
        account_id=account_id(account.address),
        balance=xdr.Int64(account.balance),
        seq_num=xdr.SequenceNumber(xdr.Int64(account.sequence)),
        num_sub_entries=xdr.Uint32(account.sub_entries),
        inflation_dest=None,
        flags=xdr.Uint32(account.flags),
        home_domain=xdr.String32(account.home_domain),
        thresholds=xdr.Thresholds(account.thresholds),
        signers=[
            xdr.Signer(signer_key(address), xdr.Uint32(weight))
            for address, weight in account.signers
        ],
        ext=xdr.AccountEntryExt(1, v1=extension),
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.ACCOUNT, account=raw).to_xdr_bytes()


def signer_key(address: str) -> xdr.SignerKey:
    """Return a public key as a signer of an account."""
    raw = xdr.Uint256(account_raw(address))
    return xdr.SignerKey(xdr.SignerKeyType.SIGNER_KEY_TYPE_ED25519, ed25519=raw)


def encode_data(*, owner: str, name: bytes, value: bytes) -> bytes:
    """Return the `LedgerEntryData` XDR of a value that an account keeps under a name."""
    raw = xdr.DataEntry(
        account_id(owner), xdr.String64(name), xdr.DataValue(value), xdr.DataEntryExt(0)
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.DATA, data=raw).to_xdr_bytes()


@lru_cache(maxsize=16384)
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


def encode_trustline(line: Trustline) -> bytes:
    """Return the trustline's `LedgerEntryData` XDR."""
    flags = AUTHORIZED * line.authorized | MAINTAINS * line.maintains | CLAWBACK * line.clawback
    raw = xdr.TrustLineEntry(
        account_id=account_id(line.address),
        asset=trust_line_asset(line.asset),
        balance=xdr.Int64(line.balance),
        limit=xdr.Int64(line.limit),
        flags=xdr.Uint32(flags),
        ext=xdr.TrustLineEntryExt(0),
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.TRUSTLINE, trust_line=raw).to_xdr_bytes()


@lru_cache(maxsize=16384)
def decode_contract_data(data: bytes) -> xdr.SCVal:
    """Return the value of a contract data entry; callers must not change it."""
    return present(xdr.LedgerEntryData.from_xdr_bytes(data).contract_data).val


def encode_contract_data(
    *, contract: str, key: xdr.SCVal, durability: xdr.ContractDataDurability, value: xdr.SCVal
) -> bytes:
    """Return a contract data entry's `LedgerEntryData` XDR."""
    raw = xdr.ContractDataEntry(
        ext=xdr.ExtensionPoint(0),
        contract=sc_address(contract),
        key=key,
        durability=durability,
        val=value,
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=raw).to_xdr_bytes()


def encode_code(*, wasm_hash: bytes, wasm: bytes) -> bytes:
    """Return uploaded code's `LedgerEntryData` XDR."""
    raw = xdr.ContractCodeEntry(
        ext=xdr.ContractCodeEntryExt(0), hash=xdr.Hash(wasm_hash), code=wasm
    )
    return xdr.LedgerEntryData(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=raw).to_xdr_bytes()
