"""Addresses and ledger keys: Stellar's names of things, as XDR.

The same few addresses occur in every step, and parsing one is slow. So values that follow from an
address are cached, and must not be changed.
"""

import hashlib
from functools import lru_cache

from stellar_sdk import Address, Asset, Keypair, MuxedAccount, Network, StrKey, scval, xdr

from services.escrow.contracts.evidence import AddressKind, Recipient

PERSISTENT = xdr.ContractDataDurability.PERSISTENT
remembered = lru_cache(maxsize=4096)


@remembered
def public_key(address: str) -> Keypair:
    """Return the public key of a G… address."""
    return Keypair.from_public_key(address)


@remembered
def sc_address(address: str) -> xdr.SCAddress:
    """Return a G… or C… address in the form that contracts use."""
    return Address(address).to_xdr_sc_address()


@remembered
def spelled(address: xdr.SCAddress) -> str:
    """Return the spelling of an address. Raises: ValueError: it is of an unknown kind."""
    return Address.from_xdr_sc_address(address).address


@remembered
def value_of(address: str) -> xdr.SCVal:
    """Return an address in the form of contracts' arguments and values."""
    return scval.to_address(address)


def address_in(value: xdr.SCVal) -> str:
    """Read an address from a contract's value. Raises: ValueError: the value is not an address."""
    if value.address is None:
        raise ValueError(f"a value of the kind {value.type.name} is not an address")
    return spelled(value.address)


@remembered
def is_contract(address: str) -> bool:
    """Tell whether an address is a contract's (C…)."""
    return StrKey.is_valid_contract(address)


def recipient(address: str) -> Recipient:
    """Parse the address of a recipient, in any spelling."""
    if StrKey.is_valid_ed25519_public_key(address):
        return Recipient(kind=AddressKind.ACCOUNT, account=address)
    if StrKey.is_valid_med25519_public_key(address):
        account = MuxedAccount.from_account(address).account_id
        return Recipient(kind=AddressKind.MUXED, account=account)
    is_known = StrKey.is_valid_contract(address)
    return Recipient(kind=AddressKind.CONTRACT if is_known else AddressKind.UNKNOWN)


def option_key(address: str, name: str) -> xdr.LedgerKey:
    """Return the ledger key of a named value that an account stores."""
    data = xdr.LedgerKeyData(public_key(address).xdr_account_id(), xdr.String64(name.encode()))
    return xdr.LedgerKey(xdr.LedgerEntryType.DATA, data=data)


@remembered
def account_key(address: str) -> xdr.LedgerKey:
    """Return the ledger key of an account."""
    account = xdr.LedgerKeyAccount(public_key(address).xdr_account_id())
    return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=account)


@remembered
def trustline_key(address: str, asset: Asset) -> xdr.LedgerKey:
    """Return the ledger key of an account's trustline."""
    line = xdr.LedgerKeyTrustLine(
        public_key(address).xdr_account_id(), asset.to_trust_line_asset_xdr_object()
    )
    return xdr.LedgerKey(xdr.LedgerEntryType.TRUSTLINE, trust_line=line)


def data_key(contract: str, key: xdr.SCVal) -> xdr.LedgerKey:
    """Return the ledger key of a contract's persistent value."""
    data = xdr.LedgerKeyContractData(sc_address(contract), key, PERSISTENT)
    return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data)


@remembered
def instance_key(contract: str) -> xdr.LedgerKey:
    """Return the ledger key of a contract's instance."""
    return data_key(contract, xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE))


def code_key(wasm_hash: str) -> xdr.LedgerKey:
    """Return the ledger key of contracts' code."""
    code = xdr.LedgerKeyContractCode(xdr.Hash(bytes.fromhex(wasm_hash)))
    return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=code)


@remembered
def escrow_key(contract: str) -> xdr.LedgerKey:
    """Return the ledger key of an escrow's stored value: `DataKey::Escrow`."""
    return data_key(contract, scval.to_vec([scval.to_symbol("Escrow")]))


@remembered
def balance_key(asset_contract: str, holder: str) -> xdr.LedgerKey:
    """Return the ledger key of a contract's balance in the asset's contract."""
    return data_key(asset_contract, scval.to_vec([scval.to_symbol("Balance"), value_of(holder)]))


def key_of(entry: xdr.LedgerEntryData) -> xdr.LedgerKey:
    """Return the key of an entry, of the kinds that escrow reads. Raises: ValueError."""
    if entry.account is not None:
        account = xdr.LedgerKeyAccount(entry.account.account_id)
        return xdr.LedgerKey(xdr.LedgerEntryType.ACCOUNT, account=account)
    if entry.data is not None:
        option = xdr.LedgerKeyData(entry.data.account_id, entry.data.data_name)
        return xdr.LedgerKey(xdr.LedgerEntryType.DATA, data=option)
    if entry.trust_line is not None:
        line = xdr.LedgerKeyTrustLine(entry.trust_line.account_id, entry.trust_line.asset)
        return xdr.LedgerKey(xdr.LedgerEntryType.TRUSTLINE, trust_line=line)
    if entry.contract_data is not None:
        value = entry.contract_data
        data = xdr.LedgerKeyContractData(value.contract, value.key, value.durability)
        return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_DATA, contract_data=data)
    if entry.contract_code is not None:
        code = xdr.LedgerKeyContractCode(entry.contract_code.hash)
        return xdr.LedgerKey(xdr.LedgerEntryType.CONTRACT_CODE, contract_code=code)
    raise ValueError("an entry of another kind")


def holding_key(address: str, *, asset: Asset, asset_contract: str) -> xdr.LedgerKey:
    """Return the ledger key under which an address holds the asset."""
    if is_contract(address):
        return balance_key(asset_contract, address)
    return trustline_key(address, asset)


@remembered
def account_name(address: str) -> bytes:
    """Return the bytes of an account's ledger key."""
    return account_key(address).to_xdr_bytes()


@remembered
def holding_name(address: str, *, asset: Asset, asset_contract: str) -> bytes:
    """Return the bytes of a `holding_key`."""
    return holding_key(address, asset=asset, asset_contract=asset_contract).to_xdr_bytes()


@remembered
def instance_name(contract: str) -> bytes:
    """Return the bytes of an instance's ledger key."""
    return instance_key(contract).to_xdr_bytes()


def deployment_preimage(deployer: str, salt: bytes) -> xdr.ContractIDPreimage:
    """Return what a contract id is derived from: the deployer, and a salt of 32 bytes."""
    return xdr.ContractIDPreimage(
        xdr.ContractIDPreimageType.CONTRACT_ID_PREIMAGE_FROM_ADDRESS,
        from_address=xdr.ContractIDPreimageFromAddress(sc_address(deployer), xdr.Uint256(salt)),
    )


def deployed_contract_id(deployer: str, salt: bytes, *, passphrase: str) -> str:
    """Return the C… address that a deployment will have."""
    preimage = xdr.HashIDPreimage(
        xdr.EnvelopeType.ENVELOPE_TYPE_CONTRACT_ID,
        contract_id=xdr.HashIDPreimageContractID(
            xdr.Hash(Network(passphrase).network_id()), deployment_preimage(deployer, salt)
        ),
    )
    return StrKey.encode_contract(hashlib.sha256(preimage.to_xdr_bytes()).digest())
