"""Values, addresses and keys that keep their XDR: encoded once, however often they are used.

The SDK's objects encode themselves again, part by part, in every object that contains them. Packed
objects must not be changed.
"""

from stellar_sdk import xdr
from xdrlib3 import Packer


class _Packed:
    """Replaces the SDK's encoding."""

    encoded: bytes

    def __init__(
        self, original: xdr.SCVal | xdr.SCAddress | xdr.LedgerKey, *, encoded: bytes | None = None
    ) -> None:
        """Take over an object. encoded: its XDR, if it is known."""
        vars(self).update(vars(original))
        self.encoded = original.to_xdr_bytes() if encoded is None else encoded

    def pack(self, packer: Packer) -> None:
        packer.pack_fopaque(len(self.encoded), self.encoded)

    def to_xdr_bytes(self) -> bytes:
        return self.encoded


class PackedValue(_Packed, xdr.SCVal):
    """A contract value."""


class PackedAddress(_Packed, xdr.SCAddress):
    """An address in the form of contracts."""


class PackedKey(_Packed, xdr.LedgerKey):
    """The key of a ledger entry."""
