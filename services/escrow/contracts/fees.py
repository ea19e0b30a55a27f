"""The arithmetic of fees: what the contract keeps of a payout, and what each party is due. Pure.

All amounts are minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernel.money import fee_half_up

# The provider's fee of every payout: 0.30 %, rounded down.
# Source: Trustless Work single-release contract, TRUSTLESS_WORK_FEE_BPS.
PROVIDER_FEE_BPS = 30
# The highest rate that the contract accepts for a platform. Source: as above, error 31.
MOST_FEE_BPS = 9_900
ALL_BPS = 10_000
# Every fee of the contract is exact on multiples of this number of minor units. The contract's
# earlier build pays nothing at all if a part has less.
GRAIN = ALL_BPS

SELLER = "seller"
BUYER = "buyer"
PLATFORM = "platform"
PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """Who bears the provider's fee, and the platform's fee of a release.

    is_absorbed: the platform wallet reimburses the provider's fee. platform_fee_bps: the agreed
    rate; the contract's own rate is `contract_fee_bps`.
    """

    is_absorbed: bool
    platform_fee_bps: int

    def due_to_seller(self, share: int) -> int:
        """Return what the seller is due of a released share.

        If rounding makes the platform's fee the whole share, the seller is due nothing.
        """
        fee = fee_half_up(share, basis_points=self.platform_fee_bps)
        return max(0, share - fee - self._borne(share))

    def due_to_buyer(self, share: int) -> int:
        """Return what the buyer is due of a refunded share. The platform takes no fee of it."""
        return share - self._borne(share)

    def _borne(self, share: int) -> int:
        return 0 if self.is_absorbed else share * PROVIDER_FEE_BPS // ALL_BPS


def contract_fee_bps(*, amount: int, agreed_bps: int) -> int:
    """Return the platform's rate that an order's contract is deployed with, at most MOST_FEE_BPS.

    The agreed fee is rounded half up to cents; the contract rounds its fee down to the stroop. If
    the contract pays too little, the rest can be reimbursed; if it pays too much, the excess is
    lost. So the contract's rate is the lowest, from the agreed one on, that takes the whole agreed
    fee.
    """
    fee = fee_half_up(amount, basis_points=agreed_bps)
    return min(MOST_FEE_BPS, max(agreed_bps, -(-fee * ALL_BPS // amount)))


def distributions(
    *, balance: int, seller: int, buyer: int, seller_due: int, fee_bps: int
) -> dict[str, int]:
    """Divide the live balance of a contract. The contract requires that all of it is divided.

    seller, buyer: shares of the order's amount. seller_due: what the seller must receive. fee_bps:
    the platform's rate in the contract. If the contract would pay the seller more than is due of
    their share, the excess goes to the platform as its fee. Anybody can send money to a contract;
    money beyond the order's amount goes to the buyer, who paid. A party that gets nothing is left
    out.
    Raises: ValueError: the balance is less than the shares.
    """
    surplus = balance - seller - buyer
    if surplus < 0:
        raise ValueError(f"the contract holds {balance}, the shares are {seller} + {buyer}")
    given = _part_of(seller, due=seller_due, total=balance, fee_bps=fee_bps)
    parts = {SELLER: given, BUYER: buyer + surplus, PLATFORM: seller - given}
    return {party: part for party, part in parts.items() if part > 0}


def paid_out(parts: Mapping[str, int], *, fee_bps: int) -> list[tuple[str, int]]:
    """Return what the contract pays of the parts: to the provider, the platform, and each party.

    fee_bps: the platform's rate in the contract.
    """
    total = sum(parts.values())
    fees = {party: _fees_of(part, total=total, fee_bps=fee_bps) for party, part in parts.items()}
    kept = [sum(column) for column in zip(*fees.values(), strict=True)]
    lines = list(zip((PROVIDER, PLATFORM), kept, strict=False))
    return lines + [(party, part - sum(fees[party])) for party, part in parts.items()]


def largest_make_good(*, due: int, share: int, amount: int, fee_bps: int) -> int:
    """Return the largest shortfall that a payee's share of an order's amount can have.

    A larger one would be a contradiction. fee_bps: the platform's rate in the contract. One GRAIN
    is added to the computed shortfall, because builds of the contract differ by less than that.
    """
    part = _part_of(share, due=due, total=amount, fee_bps=fee_bps)
    return max(0, due - _paid_of(part, total=amount, fee_bps=fee_bps)) + GRAIN


def missing(*, due: int, paid: Sequence[int]) -> int:
    """Return the shortfall of the payments; 0 if enough was paid."""
    return max(0, due - sum(paid))


def _part_of(share: int, *, due: int, total: int, fee_bps: int) -> int:
    """Return the largest part of a share of which the contract pays no more than is due.

    The part is a multiple of GRAIN, unless the total is not.
    """
    part = share
    # A part that is smaller by n pays at most n less, so the loop ends with exactly what is due.
    while (excess := _paid_of(part, total=total, fee_bps=fee_bps) - due) > 0:
        part -= excess
    return part if total % GRAIN else part - part % GRAIN


def _paid_of(part: int, *, total: int, fee_bps: int) -> int:
    """Return what the contract pays of one part of a total, each fee rounded down.

    Source: Trustless Work single-release contract, resolve_dispute; a release is one part.
    """
    return part - sum(_fees_of(part, total=total, fee_bps=fee_bps))


def _fees_of(part: int, *, total: int, fee_bps: int) -> list[int]:
    """Return a part's shares of the two fees: the provider's and the platform's."""
    fees = (total * bps // ALL_BPS for bps in (PROVIDER_FEE_BPS, fee_bps))
    return [part * fee // total for fee in fees]
