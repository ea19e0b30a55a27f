"""What a Stellar RPC node knows: the whole ledger, or less if the node lags or forgets."""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from devnet.chain import rules
from devnet.chain.envelope import Envelope
from devnet.chain.state import Entries
from devnet.network.journal import Journal
from devnet.network.lanes import Statistics
from devnet.network.ledger import Ledger, Submission
from devnet.network.records import ClosedLedger, Header, TransactionRecord
from devnet.soroban.invoke import Environment


class Node(Protocol):
    """What the methods of Stellar RPC read from, and send to."""

    @property
    def newest(self) -> Header:
        """The last ledger that the node has."""
        ...

    @property
    def oldest(self) -> Header:
        """The first ledger that the node keeps."""
        ...

    @property
    def retention(self) -> int:
        """How many ledgers the node keeps."""
        ...

    @property
    def entries(self) -> Entries:
        """The entries after its last ledger."""
        ...

    @property
    def environment(self) -> Environment:
        """What every invocation on this network shares."""
        ...

    @property
    def journal(self) -> Journal:
        """Closed ledgers; a node may show fewer of them."""
        ...

    @property
    def paid(self) -> Mapping[bool, Statistics]:
        """Inclusion fees: of contract transactions, and of classic operations."""
        ...

    def find(self, tx_hash: str) -> TransactionRecord | None:
        """Return a transaction of a ledger that the node has."""
        ...

    def submit(self, envelope: Envelope) -> Submission:
        """Send a transaction to the network."""
        ...

    def now(self) -> float:
        """Return the time in Unix seconds."""
        ...


class _Passing:
    """A node that has the whole ledger, and passes on what is sent to it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def environment(self) -> Environment:
        """What every invocation on this network shares."""
        return self._ledger.environment

    @property
    def paid(self) -> Mapping[bool, Statistics]:
        """Inclusion fees: of contract transactions, and of classic operations."""
        return self._ledger.paid

    @property
    def journal(self) -> Journal:
        """Closed ledgers, including those that the node does not show."""
        return self._ledger.journal

    def submit(self, envelope: Envelope) -> Submission:
        """Send a transaction to the network."""
        return self._ledger.submit(envelope)

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self._ledger.now()


class ShortNode(_Passing):
    """A node that keeps transactions and events of only a few ledgers."""

    def __init__(self, ledger: Ledger, *, retention: int) -> None:
        super().__init__(ledger)
        self.retention = retention

    @property
    def newest(self) -> Header:
        """The last ledger."""
        return self._ledger.newest

    @property
    def oldest(self) -> Header:
        """The first ledger that the node keeps."""
        newest = self._ledger.newest.sequence
        first = newest - self.retention + 1
        [kept] = self._ledger.journal.headers_from(first, until=newest, limit=1)
        return kept

    @property
    def entries(self) -> Entries:
        """The entries after the last ledger."""
        return self._ledger.entries

    def find(self, tx_hash: str) -> TransactionRecord | None:
        """Return a transaction of a ledger that the node keeps."""
        record = self._ledger.find(tx_hash)
        return None if record is None or record.ledger < self.oldest.sequence else record


class LaggingNode(_Passing):
    """A node that shows every ledger a number of ledgers late, and passes on what is sent to it."""

    retention = rules.RETENTION_LEDGERS

    def __init__(self, ledger: Ledger, *, behind: int) -> None:
        super().__init__(ledger)
        self._behind = behind
        self._waiting: deque[ClosedLedger] = deque()
        self.restart()
        ledger.followers.append(self)

    def follow(self, closed: ClosedLedger) -> None:
        """Store a closed ledger, and show the one that is old enough."""
        self._waiting.append(closed)
        while len(self._waiting) > self._behind:
            shown = self._waiting.popleft()
            self.entries.apply(shown.changes)
            self.newest = shown.header

    def restart(self) -> None:
        """Begin again with the ledger's present state."""
        self._waiting.clear()
        self.entries = self._ledger.entries.copy()
        self.newest = self._ledger.newest

    @property
    def oldest(self) -> Header:
        """The first ledger that the node keeps."""
        return min(self._ledger.oldest, self.newest, key=lambda header: header.sequence)

    def find(self, tx_hash: str) -> TransactionRecord | None:
        """Return a transaction of a ledger that the node has."""
        record = self._ledger.find(tx_hash)
        return None if record is None or record.ledger > self.newest.sequence else record
