"""What each side got and paid at an order's end, from what the chain reports. Pure."""

from dataclasses import dataclass

from kernel.money import fee_half_up

# The contract rounds its maker's fee down, of all and of each of three parts: the parts of that fee
# are known to fewer minor units than this.
ROUNDING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What was paid at an order's end, in minor units.

    share: what of the order's amount was released, before fees. to_seller, to_buyer: what reached
    them, reimbursed fees included. provider_fee: what the contract kept for its maker, of
    everything. outflow: all that left the contract.
    """

    share: int
    to_seller: int
    to_buyer: int
    provider_fee: int
    outflow: int

    def platform_fee(self, *, basis_points: int) -> int:
        """Return what the platform took of the share: the agreed rate in whole cents.

        It is derived from what the seller got. Where the provider's fee was reimbursed, they bore
        nothing else; otherwise also their part of that fee. Where neither is so, as in an order
        whose contract could not take all that was agreed, it is what the seller did not get, less
        their part of the provider's fee.
        """
        taken = self.share - self.to_seller
        if not self.share:
            return max(0, taken)
        agreed = fee_half_up(self.share, basis_points=basis_points)
        left = taken - self.provider_fee * self.share // self.outflow
        if taken == agreed or abs(left - agreed) < ROUNDING:
            return agreed
        return max(0, left)
