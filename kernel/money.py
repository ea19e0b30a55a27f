"""Money: a whole number of minor units of an asset. It is never a float and never rounded silently.

One minor unit is 10⁻⁷ of the asset, a stroop, the unit of Stellar itself.
"""

import re
from dataclasses import dataclass

from kernel.errors import InvalidArgument

SCALE = 7
UNIT = 10_000_000
CENT = UNIT // 100
USDC = "USDC"
# The largest amount that a column (bigint) and the chain (int64 stroops) can hold. The documented
# pattern of amounts allows larger ones.
LARGEST = 2**63 - 1
CENTS_PATTERN = re.compile(r"(0|[1-9][0-9]{0,11})\.([0-9]{2})", re.ASCII)


class InvalidAmountFormat(InvalidArgument):
    """The amount is invalid: it must be digits, a point and two digits, and greater than zero."""

    reason = "INVALID_AMOUNT_FORMAT"


class AssetsDiffer(ValueError):
    """Amounts of different assets cannot be added or compared."""


@dataclass(frozen=True, slots=True, kw_only=True, order=False)
class Money:
    """An amount of an asset, in minor units (10⁻⁷). A difference may be negative."""

    asset: str
    minor_units: int

    def __add__(self, other: "Money") -> "Money":
        self._require_same_asset(other)
        return Money(asset=self.asset, minor_units=self.minor_units + other.minor_units)

    def __sub__(self, other: "Money") -> "Money":
        self._require_same_asset(other)
        return Money(asset=self.asset, minor_units=self.minor_units - other.minor_units)

    def __lt__(self, other: "Money") -> bool:
        self._require_same_asset(other)
        return self.minor_units < other.minor_units

    def __le__(self, other: "Money") -> bool:
        self._require_same_asset(other)
        return self.minor_units <= other.minor_units

    def __str__(self) -> str:
        return f"{to_text(self.minor_units)} {self.asset}"

    def _require_same_asset(self, other: "Money") -> None:
        if self.asset != other.asset:
            raise AssetsDiffer(f"{self.asset} and {other.asset}")


def parse_amount(text: str) -> int:
    r"""Parse a documented amount ("80.00") into minor units; it must be greater than zero.

    Raises: InvalidAmountFormat: anything but ASCII digits, one point and two digits; zero; more
        than LARGEST.
    Source: reference §1, `^(0|[1-9][0-9]{0,11})\.[0-9]{2}$`.
    """
    match = CENTS_PATTERN.fullmatch(text)
    if match is None:
        raise InvalidAmountFormat('Amount must be a decimal string such as "80.00"')
    minor_units = (int(match[1]) * 100 + int(match[2])) * CENT
    if minor_units == 0:
        raise InvalidAmountFormat("Amount must be greater than 0")
    if minor_units > LARGEST:
        raise InvalidAmountFormat(f"Amount must be at most {to_text(LARGEST // CENT * CENT)}")
    return minor_units


def to_text(minor_units: int) -> str:
    """Format minor units with two decimals, or with more decimals if the amount needs them."""
    sign = "-" if minor_units < 0 else ""
    whole, rest = divmod(abs(minor_units), UNIT)
    decimals = f"{rest:0{SCALE}d}"
    return f"{sign}{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def to_chain_text(minor_units: int) -> str:
    """Format minor units with all seven decimals, as the chain does."""
    sign = "-" if minor_units < 0 else ""
    whole, rest = divmod(abs(minor_units), UNIT)
    return f"{sign}{whole}.{rest:0{SCALE}d}"


def fee_half_up(minor_units: int, *, basis_points: int) -> int:
    """Return the fee on an amount: this share of it in basis points, rounded half up to cents."""
    return (minor_units * basis_points * 2 + 10_000 * CENT) // (2 * 10_000 * CENT) * CENT
