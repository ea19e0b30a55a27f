"""The worker of this process, as acceptance sees it: what is accepted here may begin here at once.

A command is then written with a lease of this process, and nobody has to look for it.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Protocol

from chassis.leases import Lease


class Takes(Protocol):
    """A worker that runs."""

    def lease_seconds(self, marketplace_id: uuid.UUID) -> int:
        """Return for how long a command of a marketplace is leased to it; 0: it has no place."""
        ...

    def begin(self, lease: Lease, *, asked_at: float) -> None:
        """Carry out a command that was written with its lease."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place for a command. seconds: of its lease, from asked_at on, by the monotonic clock."""

    seconds: int
    asked_at: float


class OwnWorker:
    """The worker of this process, where one runs."""

    def __init__(self) -> None:
        self._worker: Takes | None = None

    def is_now(self, worker: Takes | None) -> None:
        """Say which worker runs; None: none does any more."""
        self._worker = worker

    def place(self, marketplace_id: uuid.UUID) -> Place | None:
        """Return a place for a command of a marketplace; None: it has to be claimed."""
        if self._worker is None or not (seconds := self._worker.lease_seconds(marketplace_id)):
            return None
        return Place(seconds=seconds, asked_at=time.monotonic())

    def begin(self, lease: Lease, *, place: Place) -> None:
        """Carry out a command that was written with a lease of the worker.

        Where it has ended meanwhile, the lease runs out, and the command is another one's.
        """
        if self._worker is not None:
            self._worker.begin(lease, asked_at=place.asked_at)
