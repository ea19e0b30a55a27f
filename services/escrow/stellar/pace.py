"""How fast the network closes ledgers: as configured, or faster where it was seen to be."""

from services.escrow.evidence import Ledger

OBSERVED_SECONDS_MIN = 5
SECONDS_PER_MINUTE = 60


class Pace:
    """Turns seconds into ledgers, on the safe side: rather too many ledgers than too few.

    An allowance that ends before its envelope does fails on the ledger; one that ends later only
    delays the moment from which a lost transaction may be built anew.
    """

    def __init__(self, *, ledgers_per_minute: int) -> None:
        self._per_minute = ledgers_per_minute
        self._first: Ledger | None = None

    def observe(self, ledger: Ledger) -> None:
        """Learn from the newest ledger."""
        if self._first is None:
            self._first = ledger
            return
        seconds = ledger.close_time - self._first.close_time
        if seconds < OBSERVED_SECONDS_MIN:
            return
        closed = ledger.sequence - self._first.sequence
        self._per_minute = max(self._per_minute, -(-closed * SECONDS_PER_MINUTE // seconds))
        self._first = ledger

    def ledgers_in(self, seconds: int) -> int:
        """Return how many ledgers close in so many seconds, rounded up."""
        return -(-seconds * self._per_minute // SECONDS_PER_MINUTE)
