"""What an order's end cost whom, from what the chain reports as paid. Pure, as domain.py."""

from dataclasses import dataclass

from kernel.money import fee_half_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What was paid at an order's end, in minor units.

    share: what of the order's amount was released, before fees. to_seller, to_buyer: what reached
    them, with what was made good. provider_fee: what the contract kept for its maker, of
    everything. outflow: all that left the contract.
    """

    share: int
    to_seller: int
    to_buyer: int
    provider_fee: int
    outflow: int

    def platform_fee(self, *, basis_points: int) -> int:
        """Return what the platform took of the share.

        Where the provider's fee was made good, that is the rate in whole cents, and the seller
        bore nothing else. Otherwise the seller bore their part of the provider's fee, and the
        platform's is what the contract took, which knows no cents.
        """
        taken = self.share - self.to_seller
        if not self.share or taken == fee_half_up(self.share, basis_points=basis_points):
            return max(0, taken)
        return max(0, taken - self.provider_fee * self.share // self.outflow)
