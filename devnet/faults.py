"""Faults on demand: what goes wrong, how often, and in which calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

COUNT_MAX = 1_000_000


class FaultKind(StrEnum):
    """What goes wrong."""

    LOST_ANSWER = "lost_answer"
    """sendTransaction works, its answer never arrives (`mode`: "close" or "504")."""
    TRY_AGAIN_LATER = "try_again_later"
    """sendTransaction answers TRY_AGAIN_LATER and queues nothing."""
    STALE_SEQUENCE = "stale_sequence"
    """getLedgerEntries shows accounts with the sequence number before their current one."""
    HOLD = "hold"
    """sendTransaction answers PENDING; no ledger takes the transaction; it expires."""
    FAIL_AT_APPLY = "fail_at_apply"
    """The transaction enters a ledger and fails there."""
    NOT_FOUND = "not_found"
    """getTransaction answers NOT_FOUND although the transaction is in a ledger."""
    TORN_LOOKUP = "torn_lookup"
    """getTransaction misses a transaction that a ledger has, and then reads the range of ledgers at
    a time after the transaction's last valid second."""
    UNHEALTHY = "unhealthy"
    """getHealth answers the error of a node whose last ledger is too old."""
    RPC_DOWN = "rpc_down"
    """Stellar RPC answers HTTP 503, or `mode`: "429"; `function` names the JSON-RPC method here."""
    EVIL_REST = "evil_rest"
    """The REST API builds something else (`mode`: "amount", "receiver" or "payment")."""
    ARCHIVED = "archived"
    """simulateTransaction finds entries archived that the call reads (`mode`: "code", "contract",
    "all"), or asks for their restoration first, as nodes did before protocol 23 ("preamble")."""


MODES: Mapping[FaultKind, tuple[str, ...]] = {
    FaultKind.LOST_ANSWER: ("close", "504"),
    FaultKind.RPC_DOWN: ("503", "429"),
    FaultKind.ARCHIVED: ("code", "contract", "all", "preamble"),
    FaultKind.EVIL_REST: ("amount", "receiver", "payment"),
}


class InvalidFaultError(ValueError):
    """The description of a fault is invalid; the message says why."""


@dataclass(slots=True)
class Fault:
    """An armed fault. count: how many more times it occurs.

    function: only in calls of that name.
    """

    kind: FaultKind
    count: int
    function: str | None
    mode: str | None

    def shown(self) -> dict[str, Any]:
        """Describe the fault in the form in which it was posted."""
        return {
            "kind": str(self.kind),
            "count": self.count,
            "function": self.function,
            "mode": self.mode,
        }


class Faults:
    """The armed faults, oldest first."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, description: Mapping[str, Any]) -> Fault:
        """Arm a fault. Raises: InvalidFaultError."""
        unknown = set(description) - {"kind", "count", "function", "mode"}
        if unknown:
            raise InvalidFaultError(f"unknown field {min(unknown)}")
        try:
            kind = FaultKind(description.get("kind", ""))
        except ValueError as error:
            raise InvalidFaultError(f"kind must be one of {', '.join(FaultKind)}") from error
        count = description.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= COUNT_MAX:
            raise InvalidFaultError(f"count must be a whole number from 1 to {COUNT_MAX}")
        function = description.get("function")
        if function is not None and not isinstance(function, str):
            raise InvalidFaultError("function must be a name")
        fault = Fault(kind, count, function, _mode(kind, description.get("mode")))
        self._armed.append(fault)
        return fault

    def take(self, kind: FaultKind, *, function: str | None = None) -> Fault | None:
        """Use up one count of the oldest fault that matches, or return None."""
        for fault in self._armed:
            if fault.kind == kind and fault.function in {None, function}:
                fault.count -= 1
                if fault.count == 0:
                    self._armed.remove(fault)
                return fault
        return None

    def armed(self) -> list[dict[str, Any]]:
        """Describe the armed faults."""
        return [fault.shown() for fault in self._armed]

    def clear(self) -> None:
        """Disarm all faults."""
        self._armed.clear()


def _mode(kind: FaultKind, given: object) -> str | None:
    allowed = MODES.get(kind)
    if allowed is None:
        if given is not None:
            raise InvalidFaultError(f"{kind} has no mode")
        return None
    if given is None:
        return allowed[0]
    if given not in allowed:
        raise InvalidFaultError(f"mode of {kind} must be one of {', '.join(allowed)}")
    return str(given)
