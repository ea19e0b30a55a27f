"""Reads from the ledgers what the platform account has sent without the books knowing it.

The platform account itself sends few transactions: they create channel accounts. An operator may
use the account too. So a number that the books do not know does not prove that they have forgotten
something. The accounts that its transactions created can prove it.
"""

from dataclasses import dataclass, field

from services.escrow.ports import Chain, ChainRefused, ChainUnavailable

# One look reads at most this many pages.
PAGES_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformNumber:
    """The platform account by the books.

    last_sequence: the newest number that the books can explain, None: nobody has looked yet;
    seen_ledger: a ledger in which the account had used no number above it.
    """

    address: str
    last_sequence: int | None
    seen_ledger: int | None


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was read so far after a number. made: the accounts created, by sequence number."""

    after: int
    cursor: str | None = None
    made: dict[int, frozenset[str]] = field(default_factory=dict)


class PlatformLedgers:
    """Reads the platform account's transactions, a limited number of pages at a time."""

    def __init__(self, *, chain: Chain) -> None:
        self._chain = chain
        self._reading: _Reading | None = None

    async def made_since(
        self, books: PlatformNumber, *, used: int, at_ledger: int
    ) -> frozenset[str] | None:
        """Return the accounts that the platform has created since its last number in the books.

        used: the number that the chain shows in the ledger `at_ledger`. None: the node does not
        keep every transaction between the two numbers.
        Raises: ChainUnavailable: the node is behind that ledger, or the next look has to read on.
        """
        after = books.last_sequence or 0
        if self._reading is None or self._reading.after != after:
            self._reading = _Reading(after=after)
        reading = self._reading

        for _ in range(PAGES_AT_ONCE):
            start = books.seen_ledger or 0 if reading.cursor is None else None
            try:
                page = await self._chain.transactions(start_ledger=start, cursor=reading.cursor)
            except ChainRefused as refused:
                raise ChainUnavailable(f"the node does not list ledgers: {refused}") from refused
            for one in page.found:
                if one.source == books.address and one.sequence > after:
                    # A transaction that failed has used its number and created nothing.
                    accounts = self._chain.created(one.envelope_xdr) if one.has_succeeded else ()
                    reading.made[one.sequence] = frozenset(accounts)
            reading.cursor = page.next_cursor
            explained = [made for number, made in reading.made.items() if number <= used]
            if len(explained) == used - after:
                return frozenset().union(*explained)
            if page.is_last:
                if page.latest_ledger < at_ledger:
                    raise ChainUnavailable("the node lags behind the platform account")
                return None
        raise ChainUnavailable("the ledgers since the platform account was seen are being read")
