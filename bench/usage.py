"""The resources of processes: CPU seconds and memory, by part of the stack."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil

# The measuring process itself.
LOAD = "load"
# User, nice, system, idle, iowait, irq, softirq, steal; guests' time is included in user.
FIELDS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU seconds of the machine so far: of all processes, and of this one with its descendants."""

    at: float
    busy: float
    own: float

    @classmethod
    def now(cls) -> "Machine":
        """Read the CPU seconds."""
        times = psutil.cpu_times()
        waiting = times.idle + getattr(times, "iowait", 0.0)
        own = sum(map(_cpu, _family(psutil.Process())))
        return cls(time.monotonic(), sum(times[:FIELDS]) - waiting, own)

    def others(self, before: "Machine") -> float:
        """Return how many cores other work has used since an earlier reading."""
        used = (self.busy - before.busy) - (self.own - before.own)
        return max(0.0, used / (self.at - before.at))


class Usage:
    """Processes by part, their children included.

    rest: the process that started the parts, by name. Its descendants that belong to no part, such
    as a process that forks programs, count for it.
    """

    def __init__(self, pids: Mapping[str, int], *, rest: Mapping[str, int] | None = None) -> None:
        self._parts = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._rest = {name: psutil.Process(pid) for name, pid in (rest or {}).items()}
        self._own = psutil.Process()

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each part so far, and of the load."""
        families = self._families()
        used = {name: sum(map(_cpu, families[name])) for name in self._parts}
        for name in self._rest:
            used[name] = sum(map(_running_cpu, families[name]))
        return {**used, LOAD: _running_cpu(self._own)}

    def since(self, before: Mapping[str, float]) -> dict[str, float]:
        """Return the CPU seconds of each part since an earlier `cpu()`."""
        return {name: max(0.0, used - before[name]) for name, used in self.cpu().items()}

    def memory(self) -> dict[str, int]:
        """Return the proportional set size (PSS) of each part in bytes, without the load's.

        Shared memory is counted once, in equal shares.
        """
        return {name: sum(map(_memory, family)) for name, family in self._families().items()}

    def _families(self) -> dict[str, list[psutil.Process]]:
        families = {name: list(_family(part)) for name, part in self._parts.items()}
        known = {one.pid for family in families.values() for one in family}
        for name, first in self._rest.items():
            families[name] = [one for one in _family(first) if one.pid not in known]
        return families


def _family(part: psutil.Process) -> Iterator[psutil.Process]:
    yield part
    yield from part.children(recursive=True)


def _memory(process: psutil.Process) -> int:
    """Return the proportional set size of a process; 0 if it has just ended."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _running_cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process itself."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _cpu(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
