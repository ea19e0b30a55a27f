"""The asset's contract on a network: its address follows from the asset's name and issuer."""

from stellar_sdk import Asset

from services.escrow.ports import StellarOptions


def asset_contract(options: StellarOptions) -> str:
    """Return the C… address of the asset's contract. Source: CAP-46-06."""
    asset = Asset(options.asset_code, options.asset_issuer)
    return asset.contract_id(options.network_passphrase)
