"""The network's numbers: protocol version, fees, reserves, lifetimes."""

PROTOCOL_VERSION = 26
BASE_FEE = 100
"""Least inclusion fee per operation, in stroops."""
BASE_RESERVE = 5_000_000
"""Half an XLM, in stroops; an account needs two, every trustline one more."""
ACCOUNT_RESERVES = 2
MIN_PERSISTENT_TTL = 2_073_600
"""Ledgers that new contract data lives before it must be extended, its first one included."""
MAX_TTL = 3_110_400
"""Ledgers that anything lives at most, the running one included."""
RETENTION_LEDGERS = 120_960
"""How long transactions and events are kept: a week of five-second ledgers."""
INT64_MAX = 2**63 - 1


def first_life(sequence: int) -> int:
    """Return the last ledger of contract data that is written first in ledger `sequence`."""
    return sequence + MIN_PERSISTENT_TTL - 1
