"""Fee arithmetic and payout order of the escrow contract: integers, floors, dust to receivers.

Source: Trustless Work single-release contract, later build (fees floored per recipient).
"""

from collections.abc import Mapping
from dataclasses import dataclass

PROVIDER_BPS = 30
DENOMINATOR = 10_000


@dataclass(frozen=True, slots=True)
class Fees:
    """The fees of the provider and the platform, in minor units."""

    provider: int
    platform: int


def fees_of(amount: int, *, platform_bps: int) -> Fees:
    """Return both fees of an amount, each floored."""
    return Fees(
        provider=amount * PROVIDER_BPS // DENOMINATOR,
        platform=amount * platform_bps // DENOMINATOR,
    )


def released(amount: int, *, platform_bps: int) -> tuple[Fees, int]:
    """Return the fees, and what the receiver gets of a released amount."""
    fees = fees_of(amount, platform_bps=platform_bps)
    return fees, amount - fees.provider - fees.platform


def distributed(shares: Mapping[str, int], *, platform_bps: int) -> tuple[Fees, dict[str, int]]:
    """Return the fees, and what every recipient gets of a distribution.

    shares: address → minor units before fees. Every recipient bears a floored share of both fees.
    The fees paid are the sums of these floors, so that nothing is left over or missing.
    """
    total = sum(shares.values())
    fees = fees_of(total, platform_bps=platform_bps)
    provider = {who: amount * fees.provider // total for who, amount in shares.items()}
    platform = {who: amount * fees.platform // total for who, amount in shares.items()}
    paid = {who: amount - provider[who] - platform[who] for who, amount in shares.items()}
    return Fees(sum(provider.values()), sum(platform.values())), paid
