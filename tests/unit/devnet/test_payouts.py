"""Fee arithmetic: the documented numbers, and that nothing is ever left over or missing."""

from hypothesis import given
from hypothesis import strategies as st

from devnet.soroban.payouts import distributed, fees_of, released

UNIT = 10**7
AMOUNTS = st.integers(min_value=1, max_value=10**16)
BPS = st.integers(min_value=0, max_value=9_900)


def test_eighty_tokens_release_to_seventy_nine_seventy_six() -> None:
    fees, rest = released(80 * UNIT, platform_bps=0)

    assert (fees.provider, fees.platform, rest) == (2_400_000, 0, 797_600_000)


def test_five_percent_platform_fee_of_eighty_tokens_is_four() -> None:
    assert fees_of(80 * UNIT, platform_bps=500).platform == 4 * UNIT


@given(amount=AMOUNTS, bps=BPS)
def test_a_release_pays_exactly_the_amount(amount: int, bps: int) -> None:
    fees, rest = released(amount, platform_bps=bps)

    assert fees.provider + fees.platform + rest == amount
    assert rest >= 0


@given(shares=st.dictionaries(st.text(min_size=1), AMOUNTS, min_size=1, max_size=6), bps=BPS)
def test_a_distribution_pays_exactly_the_balance(shares: dict[str, int], bps: int) -> None:
    fees, paid = distributed(shares, platform_bps=bps)

    assert fees.provider + fees.platform + sum(paid.values()) == sum(shares.values())
    assert all(0 <= paid[name] <= shares[name] for name in shares)
