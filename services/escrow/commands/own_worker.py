"""The worker of this process, as acceptance sees it.

A command that begins in the process that accepts it is inserted with a lease of that process, so no
worker has to claim it.
"""

import time
import uuid
from dataclasses import dataclass
from typing import Protocol

from chassis.leases import Lease


class Takes(Protocol):
    """A worker that runs."""

    def lease_seconds(self, marketplace_id: uuid.UUID) -> int:
        """Return the seconds of a new lease for a marketplace's command; 0: no free place."""
        ...

    def begin(self, lease: Lease, *, asked_at: float) -> None:
        """Carry out a command that was inserted with a lease of this worker."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place for a command. seconds: of its lease, from asked_at on, by the monotonic clock."""

    seconds: int
    asked_at: float


class OwnWorker:
    """Holds the worker of this process, if one runs."""

    def __init__(self) -> None:
        self._worker: Takes | None = None

    def is_now(self, worker: Takes | None) -> None:
        """Set the running worker; None: no worker runs."""
        self._worker = worker

    def place(self, marketplace_id: uuid.UUID) -> Place | None:
        """Return a place for a marketplace's command; None: a worker must claim the command."""
        if self._worker is None or not (seconds := self._worker.lease_seconds(marketplace_id)):
            return None
        return Place(seconds=seconds, asked_at=time.monotonic())

    def begin(self, lease: Lease, *, place: Place) -> None:
        """Carry out a command that was inserted with a lease of the worker.

        If the worker has stopped meanwhile, the lease expires and another worker claims it.
        """
        if self._worker is not None:
            self._worker.begin(lease, asked_at=place.asked_at)
