"""What a node of Stellar RPC knows: the ledger itself, or an older ledger if the node lags."""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from devnet.chain.envelope import Envelope
from devnet.chain.state import Entries
from devnet.network.journal import Journal
from devnet.network.lanes import Statistics
from devnet.network.ledger import Ledger, Submission
from devnet.network.records import ClosedLedger, Header, TransactionRecord
from devnet.soroban.invoke import Environment


class Node(Protocol):
    """What the methods of Stellar RPC read, and where they send."""

    @property
    def newest(self) -> Header:
        """The last ledger that the node has."""
        ...

    @property
    def oldest(self) -> Header:
        """The first ledger that the node keeps."""
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
        """What was paid for places: of contract transactions, and of classic operations."""
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


class LaggingNode:
    """A node that shows every ledger so many ledgers late; what is sent to it is passed on."""

    def __init__(self, ledger: Ledger, *, behind: int) -> None:
        self._ledger = ledger
        self._behind = behind
        self._waiting: deque[ClosedLedger] = deque()
        self.restart()
        ledger.followers.append(self)

    def follow(self, closed: ClosedLedger) -> None:
        """Take note of a closed ledger, and show the one that is old enough."""
        self._waiting.append(closed)
        while len(self._waiting) > self._behind:
            shown = self._waiting.popleft()
            self.entries.apply(shown.changes)
            self.newest = shown.header

    def restart(self) -> None:
        """Begin again with what the ledger is now."""
        self._waiting.clear()
        self.entries = self._ledger.entries.copy()
        self.newest = self._ledger.newest

    @property
    def oldest(self) -> Header:
        """The first ledger that the node keeps."""
        return min(self._ledger.oldest, self.newest, key=lambda header: header.sequence)

    @property
    def environment(self) -> Environment:
        """What every invocation on this network shares."""
        return self._ledger.environment

    @property
    def paid(self) -> Mapping[bool, Statistics]:
        """What was paid for places: of contract transactions, and of classic operations."""
        return self._ledger.paid

    @property
    def journal(self) -> Journal:
        """Closed ledgers, those included that the node does not show yet."""
        return self._ledger.journal

    def find(self, tx_hash: str) -> TransactionRecord | None:
        """Return a transaction of a ledger that the node has."""
        record = self._ledger.find(tx_hash)
        return None if record is None or record.ledger > self.newest.sequence else record

    def submit(self, envelope: Envelope) -> Submission:
        """Send a transaction to the network."""
        return self._ledger.submit(envelope)

    def now(self) -> float:
        """Return the time in Unix seconds."""
        return self._ledger.now()
