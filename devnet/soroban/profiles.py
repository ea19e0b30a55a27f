"""The escrow contract's builds: one table of their differences.

Every build has its own code hash, and an instance's hash selects its row. The code bytes on this
ledger are an empty wasm module whose custom section says so: the rules are `escrow_contract.py`.
Only a build that is given as wasm runs its own code.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One build of the single-release escrow contract.

    platform_field: the name of the platform's field in `Roles`. takes_fee_address: release, resolve
    and withdraw take the provider's fee address as last argument. code: the module, b"" for an
    empty one.
    """

    name: str
    platform_field: str
    max_milestones: int
    takes_fee_address: bool
    code: bytes = b""

    @property
    def wasm(self) -> bytes:
        """The code bytes that the ledger stores for this build."""
        return self.code or _empty_module(f"devnet: no wasm runs here; escrow profile {self.name}")

    @property
    def wasm_hash(self) -> bytes:
        """SHA-256 of the code bytes."""
        return hashlib.sha256(self.wasm).digest()


PROFILE_B = Profile(name="B", platform_field="platform", max_milestones=50, takes_fee_address=False)
PROFILE_B_DEV = Profile(
    name="B-dev", platform_field="platform", max_milestones=50, takes_fee_address=True
)
PROFILES = (PROFILE_B, PROFILE_B_DEV)
# The provider's account, a constant in the code of the real build B.
REAL_PROVIDER = "GBWWSOATPLIC72ZBOIM7WJCT7VCAHNWW4QUBZ2H4FORMCCIUM5ZVKSZN"

_CUSTOM_SECTION = b"\x00"
_MAGIC_AND_VERSION = b"\x00asm\x01\x00\x00\x00"


def _empty_module(text: str) -> bytes:
    name, body = b"about", text.encode()
    section = bytes([len(name)]) + name + body
    if len(section) > 127:  # noqa: PLR2004  lengths above need more than one LEB128 byte
        raise ValueError("text is too long for a one-byte section length")
    return _MAGIC_AND_VERSION + _CUSTOM_SECTION + bytes([len(section)]) + section
