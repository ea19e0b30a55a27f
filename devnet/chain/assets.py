"""Assets: native XLM or CODE:ISSUER, their XDR forms and their contract ids."""

from dataclasses import dataclass
from functools import lru_cache

from stellar_sdk import Asset, xdr

from devnet.chain.addresses import from_account_id, present

SHORT_CODE_LENGTH = 4


@dataclass(frozen=True, slots=True)
class AssetRef:
    """An asset; `issuer` is None for native XLM."""

    code: str
    issuer: str | None

    @property
    def name(self) -> str:
        """The name asset events carry: "native" or "CODE:G…" (CAP-67)."""
        return "native" if self.issuer is None else f"{self.code}:{self.issuer}"


NATIVE = AssetRef("XLM", None)

_Coded = xdr.Asset | xdr.TrustLineAsset | xdr.ChangeTrustAsset


def from_xdr(value: _Coded) -> AssetRef:
    """Read any of the three XDR asset unions.

    Raises: MalformedXdrError: pool shares, or an absent arm.
    """
    if value.type == xdr.AssetType.ASSET_TYPE_NATIVE:
        return NATIVE
    if value.type == xdr.AssetType.ASSET_TYPE_CREDIT_ALPHANUM4:
        short = present(value.alpha_num4)
        return AssetRef(_code(short.asset_code.asset_code4), from_account_id(short.issuer))
    wide = present(value.alpha_num12)
    return AssetRef(_code(wide.asset_code.asset_code12), from_account_id(wide.issuer))


def _code(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("ascii")


@lru_cache(maxsize=1024)
def sdk_asset(asset: AssetRef) -> Asset:
    """Return the SDK's asset, which knows the XDR encodings."""
    return Asset.native() if asset.issuer is None else Asset(asset.code, asset.issuer)


@lru_cache(maxsize=1024)
def contract_id(asset: AssetRef, passphrase: str) -> str:
    """Return the C… address of the asset's contract on that network."""
    return sdk_asset(asset).contract_id(passphrase)


@lru_cache(maxsize=1024)
def trust_line_asset(asset: AssetRef) -> xdr.TrustLineAsset:
    """Return the XDR asset as trustline keys carry it."""
    return sdk_asset(asset).to_trust_line_asset_xdr_object()
