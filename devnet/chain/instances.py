"""Contract instances: the code or the asset behind a C… address."""

from dataclasses import dataclass
from functools import lru_cache

from stellar_sdk import scval, xdr

from devnet.chain import keys
from devnet.chain.addresses import account_raw, account_text, present
from devnet.chain.assets import NATIVE, SHORT_CODE_LENGTH, AssetRef, contract_id
from devnet.chain.entries import decode_contract_data, encode_contract_data
from devnet.chain.rules import Lifetimes
from devnet.chain.state import Entry, View

DECIMALS = 7

_MARKER = xdr.SCVal(xdr.SCValType.SCV_LEDGER_KEY_CONTRACT_INSTANCE)


@dataclass(frozen=True, slots=True)
class Instance:
    """A deployed contract: exactly one of the two fields is set."""

    wasm_hash: bytes | None = None
    asset: AssetRef | None = None


@lru_cache(maxsize=16384)
def decode_instance(data: bytes) -> Instance:
    """Read an instance entry."""
    raw = present(decode_contract_data(data).instance)
    if raw.executable.wasm_hash is not None:
        return Instance(wasm_hash=raw.executable.wasm_hash.hash)
    for item in present(raw.storage).sc_map:
        if item.key.vec is not None and scval.from_enum(item.key)[0] == "AssetInfo":
            return Instance(asset=_read_asset(item.val))
    raise ValueError("asset contract without AssetInfo")


def encode_instance(*, contract: str, wasm_hash: bytes) -> bytes:
    """Return the instance entry of a wasm contract."""
    executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_WASM, wasm_hash=xdr.Hash(wasm_hash)
    )
    return _encode(contract, xdr.SCContractInstance(executable, None))


def deploy_asset_contract(
    view: View, *, asset: AssetRef, passphrase: str, lifetimes: Lifetimes
) -> None:
    """Add the asset's contract to the ledger if it is missing."""
    contract = contract_id(asset, passphrase)
    key = keys.instance(contract)
    if view.get(key) is not None:
        return
    executable = xdr.ContractExecutable(
        xdr.ContractExecutableType.CONTRACT_EXECUTABLE_STELLAR_ASSET
    )
    name = scval.to_string(asset.name)
    metadata = scval.to_struct(
        {
            "decimal": scval.to_uint32(DECIMALS),
            "name": name,
            "symbol": scval.to_string("native" if asset == NATIVE else asset.code),
        }
    )
    # Entries in the order of their keys: symbols come before vectors.
    storage = xdr.SCMap(
        [
            xdr.SCMapEntry(scval.to_symbol("METADATA"), metadata),
            xdr.SCMapEntry(scval.to_vec([scval.to_symbol("AssetInfo")]), _asset_info(asset)),
        ]
    )
    instance = xdr.SCContractInstance(executable, storage)
    live_until = lifetimes.first(view.sequence)
    view.put(key, Entry(_encode(contract, instance), live_until=live_until))


def _encode(contract: str, instance: xdr.SCContractInstance) -> bytes:
    value = xdr.SCVal(xdr.SCValType.SCV_CONTRACT_INSTANCE, instance=instance)
    return encode_contract_data(
        contract=contract, key=_MARKER, durability=keys.PERSISTENT, value=value
    )


def _asset_info(asset: AssetRef) -> xdr.SCVal:
    if asset.issuer is None:
        return scval.to_vec([scval.to_symbol("Native")])
    short = len(asset.code) <= SHORT_CODE_LENGTH
    fields = scval.to_struct(
        {
            "asset_code": scval.to_string(asset.code.encode().ljust(4 if short else 12, b"\0")),
            "issuer": scval.to_bytes(account_raw(asset.issuer)),
        }
    )
    return scval.to_vec([scval.to_symbol("AlphaNum4" if short else "AlphaNum12"), fields])


def _read_asset(info: xdr.SCVal) -> AssetRef:
    kind, payload = scval.from_enum(info)
    if kind == "Native" or not isinstance(payload, xdr.SCVal):
        return NATIVE
    fields = scval.from_struct(payload)
    code = scval.from_string(fields["asset_code"]).rstrip(b"\0").decode("ascii")
    return AssetRef(code, account_text(scval.from_bytes(fields["issuer"])))
