"""Everything that follows from the passphrase: the network's keys, addresses and contract ids."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from stellar_sdk import Keypair, Network

from devnet.chain.addresses import contract_text
from devnet.chain.assets import AssetRef, contract_id
from devnet.soroban.profiles import PROFILE_B, REAL_PROVIDER, Profile


@dataclass(frozen=True)
class Identity:
    """The network's own accounts, derived from its passphrase.

    The keys are as secret as the passphrase: this is a network for development.
    """

    passphrase: str
    profile: Profile = PROFILE_B

    @cached_property
    def network_id(self) -> bytes:
        """SHA-256 of the passphrase; every signature covers it."""
        return Network(self.passphrase).network_id()

    def keypair(self, role: str) -> Keypair:
        """Return the key of one of the network's own accounts."""
        return Keypair.from_raw_ed25519_seed(self._derive(role))

    def address(self, role: str) -> str:
        """Return the address of one of the network's own accounts."""
        return self.keypair(role).public_key

    @cached_property
    def usdc(self) -> AssetRef:
        """The asset of the escrows."""
        return AssetRef("USDC", self.address("usdc-issuer"))

    @cached_property
    def other_asset(self) -> AssetRef:
        """A second asset, which programs must ignore."""
        return AssetRef("EURC", self.address("eurc-issuer"))

    @cached_property
    def usdc_contract(self) -> str:
        """The contract of USDC."""
        return contract_id(self.usdc, self.passphrase)

    @cached_property
    def factory(self) -> str:
        """The escrow contract's instance that deploys the others."""
        return contract_text(self._derive("escrow-factory"))

    @cached_property
    def friendbot(self) -> Keypair:
        """The account that gives XLM."""
        return self.keypair("friendbot")

    @cached_property
    def distributor(self) -> Keypair:
        """The account that holds minted USDC and EURC; the faucet pays from it."""
        return self.keypair("distributor")

    @cached_property
    def fee_address(self) -> str:
        """The provider's account, which receives its fee of every payout."""
        return REAL_PROVIDER if self.profile.code else self.address("provider-fees")

    def _derive(self, role: str) -> bytes:
        return hashlib.sha256(self.network_id + role.encode()).digest()
