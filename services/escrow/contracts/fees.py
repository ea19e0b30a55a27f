"""The arithmetic of fees: what the contract keeps of a payout, and what is due to each party. Pure.

All amounts are minor units.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kernel.money import fee_half_up

# What the contract takes of every payout for its maker: 0.30 %, rounded down.
# Source: Trustless Work single-release contract, TRUSTLESS_WORK_FEE_BPS.
PROVIDER_FEE_BPS = 30
# The most that the contract takes for a platform. Source: as above, error 31.
MOST_FEE_BPS = 9_900
ALL_BPS = 10_000
# Of multiples of so many minor units every fee of the contract is exact. Its earlier build pays
# nothing at all where a part has less.
GRAIN = ALL_BPS

SELLER = "seller"
BUYER = "buyer"
PLATFORM = "platform"
PROVIDER = "provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """Who bears the provider's fee, and what the platform takes of a release.

    is_absorbed: the platform's wallet makes the provider's fee good. platform_fee_bps: the rate
    that was agreed; the contract's own is `contract_fee_bps`.
    """

    is_absorbed: bool
    platform_fee_bps: int

    def due_to_seller(self, share: int) -> int:
        """Return what is due of a released share.

        Where rounding makes the platform's fee the whole share, that is nothing.
        """
        fee = fee_half_up(share, basis_points=self.platform_fee_bps)
        return max(0, share - fee - self._borne(share))

    def due_to_buyer(self, share: int) -> int:
        """Return what is due of a refunded share: the platform takes nothing of it."""
        return share - self._borne(share)

    def _borne(self, share: int) -> int:
        return 0 if self.is_absorbed else share * PROVIDER_FEE_BPS // ALL_BPS


def contract_fee_bps(*, amount: int, agreed_bps: int) -> int:
    """Return the platform's rate that an order's contract is deployed with, at most MOST_FEE_BPS.

    The agreed fee is rounded half up to cents, the contract's down to the stroop. What the
    contract pays too little can be made good, what it pays too much cannot be had back: so its
    rate is the least, from the agreed one on, that takes the whole agreed fee of the amount.
    """
    fee = fee_half_up(amount, basis_points=agreed_bps)
    return min(MOST_FEE_BPS, max(agreed_bps, -(-fee * ALL_BPS // amount)))


def distributions(
    *, balance: int, seller: int, buyer: int, seller_due: int, fee_bps: int
) -> dict[str, int]:
    """Divide the live balance of a contract: the contract wants all of it divided.

    seller, buyer: shares of the order's amount. seller_due: what is to reach the seller. fee_bps:
    the platform's rate in the contract. Of the seller's share, what would make the contract pay
    them more than is due goes to the platform, whose fee it is. Anybody can send money to a
    contract; what is there beyond the order's amount goes to the buyer, who paid. A party
    that gets nothing is left out.
    Raises: ValueError: there is less than the shares.
    """
    surplus = balance - seller - buyer
    if surplus < 0:
        raise ValueError(f"the contract holds {balance}, the shares are {seller} + {buyer}")
    given = _part_of(seller, due=seller_due, total=balance, fee_bps=fee_bps)
    parts = {SELLER: given, BUYER: buyer + surplus, PLATFORM: seller - given}
    return {party: part for party, part in parts.items() if part > 0}


def paid_out(parts: Mapping[str, int], *, fee_bps: int) -> list[tuple[str, int]]:
    """Return what the contract pays of parts of its money: to its maker, the platform, each party.

    fee_bps: the platform's rate in the contract.
    """
    total = sum(parts.values())
    fees = {party: _fees_of(part, total=total, fee_bps=fee_bps) for party, part in parts.items()}
    kept = [sum(column) for column in zip(*fees.values(), strict=True)]
    lines = list(zip((PROVIDER, PLATFORM), kept, strict=False))
    return lines + [(party, part - sum(fees[party])) for party, part in parts.items()]


def largest_make_good(*, due: int, share: int, amount: int, fee_bps: int) -> int:
    """Return the most that can be missing of what is due of a share of an order's amount.

    More would be a contradiction. fee_bps: the platform's rate in the contract. A GRAIN more than
    computed is no contradiction: builds of the contract differ by less.
    """
    part = _part_of(share, due=due, total=amount, fee_bps=fee_bps)
    return max(0, due - _paid_of(part, total=amount, fee_bps=fee_bps)) + GRAIN


def missing(*, due: int, paid: Sequence[int]) -> int:
    """Return what is missing of what is due; 0 where enough was paid."""
    return max(0, due - sum(paid))


def _part_of(share: int, *, due: int, total: int, fee_bps: int) -> int:
    """Return the largest part of a share of which the contract pays no more than is due.

    Without a fraction of a GRAIN, except where the total has one too.
    """
    part = share
    # So much less in is at most so much less out: this ends with exactly what is due.
    while (excess := _paid_of(part, total=total, fee_bps=fee_bps) - due) > 0:
        part -= excess
    return part if total % GRAIN else part - part % GRAIN


def _paid_of(part: int, *, total: int, fee_bps: int) -> int:
    """Return what the contract pays of one part of a total, each fee rounded down.

    Source: Trustless Work single-release contract, resolve_dispute; a release is one part.
    """
    return part - sum(_fees_of(part, total=total, fee_bps=fee_bps))


def _fees_of(part: int, *, total: int, fee_bps: int) -> list[int]:
    """Return what a part bears of the two fees: of the contract's maker, and of the platform."""
    fees = (total * bps // ALL_BPS for bps in (PROVIDER_FEE_BPS, fee_bps))
    return [part * fee // total for fee in fees]
