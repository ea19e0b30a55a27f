"""Maps instances to their rules: an asset's contract, or a build of the escrow."""

from functools import lru_cache

from devnet.chain.assets import AssetRef
from devnet.chain.instances import Instance
from devnet.soroban.asset_contract import AssetContract
from devnet.soroban.escrow_contract import EscrowContract
from devnet.soroban.host import ContractCode
from devnet.soroban.profiles import PROFILES


class Registry:
    """The contracts that this ledger can run. fee_address: the provider's, for escrow builds."""

    def __init__(self, *, fee_address: str) -> None:
        self._escrows: dict[bytes, ContractCode] = {
            profile.wasm_hash: EscrowContract(profile=profile, fee_address=fee_address)
            for profile in PROFILES
        }

    def find(self, instance: Instance) -> ContractCode | None:
        """Return the rules, or None if the code is unknown."""
        if instance.asset is not None:
            return _asset_contract(instance.asset)
        return self._escrows.get(instance.wasm_hash or b"")


@lru_cache(maxsize=1024)
def _asset_contract(asset: AssetRef) -> AssetContract:
    return AssetContract(asset)
