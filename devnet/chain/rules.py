"""The network's numbers: protocol version, fees, reserves, lifetimes."""

from dataclasses import dataclass

PROTOCOL_VERSION = 28
BASE_FEE = 100
"""Least inclusion fee per operation, in stroops."""
BASE_RESERVE = 5_000_000
"""Half an XLM, in stroops; an account needs two, every trustline one more."""
ACCOUNT_RESERVES = 2
AUTH_REQUIRED, AUTH_REVOCABLE, AUTH_IMMUTABLE, AUTH_CLAWBACK_ENABLED = 1, 2, 4, 8
"""The flags of an account, which the issuer of an asset sets."""
MAX_TTL = 3_110_400
"""Ledgers that anything lives at most, the running one included."""
RETENTION_LEDGERS = 120_960
"""How long transactions and events are kept: a week of five-second ledgers."""
INT64_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long contract data lives on a network.

    least: how many ledgers new data lives before it must be extended, its first one included.
    archives: whether data is archived when its life is over.
    """

    least: int
    archives: bool = True

    def first(self, sequence: int) -> int:
        """Return the last ledger of data that is first written, or restored, in `sequence`."""
        return sequence + self.least - 1

    def is_over(self, live_until: int | None, sequence: int) -> bool:
        """Tell whether an entry's life ended before ledger `sequence`."""
        return live_until is not None and live_until < sequence and self.archives


# `min_persistent_ttl` of the networks' settings: stellar-core, soroban-settings/*_upgrade.json.
LIFETIMES = {"main": Lifetimes(2_073_600), "test": Lifetimes(120_960)}
