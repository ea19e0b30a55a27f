"""The ledger's entries, and overlays that hold changes before they are committed.

A view holds only its own changes to its parent, so a call costs what it touches and not what the
ledger holds. Dropping a view undoes its changes; `merge` writes them to the parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from devnet.chain.keys import Key


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored entry.

    data: `LedgerEntryData` XDR. modified: ledger that wrote it. live_until: last ledger in which
    contract data is alive, None for classic entries. sponsor: who pays the entry's reserve.
    """

    data: bytes
    modified: int = 0
    live_until: int | None = None
    sponsor: str | None = None


class Readable(Protocol):
    """A source of entries: the ledger itself or a view of it."""

    def get(self, key: Key) -> Entry | None:
        """Return the entry under the key, or None."""
        ...


class Entries:
    """The entries as of the last closed ledger, all in memory."""

    def __init__(self) -> None:
        self._entries: dict[Key, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        """Return the entry under the key, or None."""
        return self._entries.get(key)

    def copy(self) -> Entries:
        """Return a copy of the entries."""
        copied = Entries()
        copied.load(self._entries.items())
        return copied

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()

    def lasting(self) -> list[Key]:
        """Return the keys of the entries that have a lifetime."""
        return [key for key, entry in self._entries.items() if entry.live_until is not None]

    def load(self, entries: Iterable[tuple[Key, Entry]]) -> None:
        """Take over entries read from the journal."""
        self._entries.update(entries)

    def apply(self, changes: Mapping[Key, Entry | None]) -> None:
        """Apply a closed ledger's changes; None deletes."""
        for key, entry in changes.items():
            if entry is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = entry


class View:
    """Changes on top of a parent, stamped with the ledger they belong to."""

    def __init__(self, parent: Readable, *, sequence: int) -> None:
        self._parent = parent
        self.sequence = sequence
        self.changes: dict[Key, Entry | None] = {}

    def get(self, key: Key) -> Entry | None:
        """Return the entry in this view."""
        if key in self.changes:
            return self.changes[key]
        return self._parent.get(key)

    def put(self, key: Key, entry: Entry) -> None:
        """Write an entry; its `modified` becomes this view's ledger."""
        self.changes[key] = replace(entry, modified=self.sequence)

    def extend(self, key: Key, entry: Entry, *, live_until: int) -> None:
        """Let an entry live longer.

        The lifetime is no part of the entry, which stays unmodified.
        """
        self.changes[key] = replace(entry, live_until=live_until)

    def delete(self, key: Key) -> None:
        """Remove an entry."""
        self.changes[key] = None

    def child(self) -> View:
        """Open a view on top of this one."""
        return View(self, sequence=self.sequence)

    def merge(self, child: View) -> None:
        """Take over a child's changes."""
        self.changes.update(child.changes)
