"""The settlement of an order: what its end paid and cost each side, by the chain's report. Pure."""

from dataclasses import dataclass

from kernel.money import fee_half_up

# The contract rounds the provider fee down, for the whole payout and for each of three parts. A
# part of the fee that is computed here is therefore off by fewer minor units than this.
ROUNDING = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """The amounts paid at an order's end, in minor units.

    share: the part of the order's amount that was released, before fees. to_seller, to_buyer: the
    amounts that the sides received, with reimbursed fees. provider_fee: the fee that the contract
    kept for the provider, from the whole payout. outflow: everything that left the contract.
    """

    share: int
    to_seller: int
    to_buyer: int
    provider_fee: int
    outflow: int

    def platform_fee(self, *, basis_points: int) -> int:
        """Return the platform fee that was taken from the share: the agreed rate in whole cents.

        The fee is derived from what the seller received. If the provider fee was reimbursed, the
        seller bore only the platform fee; otherwise the seller also bore a part of the provider
        fee. If neither explains the amount, because the contract could not take the agreed fee,
        the result is what the seller did not receive, less the seller's part of the provider fee.
        """
        taken = self.share - self.to_seller
        if not self.share:
            return max(0, taken)
        agreed = fee_half_up(self.share, basis_points=basis_points)
        left = taken - self.provider_fee * self.share // self.outflow
        if taken == agreed or abs(left - agreed) < ROUNDING:
            return agreed
        return max(0, left)
