"""The arguments and the result of a part of the measurement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.checkout import Checkout
from bench.load import Run
from bench.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """figures: by name, for the table of goals. lines: for people to read.

    failure: why there are no figures; empty: the part succeeded.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    lines: Sequence[str] = ()
    failure: str = ""


def figures_of(measured: Mapping[str, Measured]) -> dict[str, float]:
    """Return the figures of all parts. measured: by part."""
    return {key: value for found in measured.values() for key, value in found.figures.items()}


Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part. seconds: about how long it takes. settings: of its stack.

    with_stack: measures a running stack. alone: measures a checkout, and starts what it needs.
    is_usual: the part runs unless others are chosen.
    """

    name: str
    seconds: float
    settings: Mapping[str, str] = field(default_factory=dict)
    with_stack: Callable[[Stack, Say], Measured] | None = None
    alone: Callable[[Checkout, Say], Measured] | None = None
    is_usual: bool = True


def per_process(cpu: Mapping[str, float], *, count: int, least: float = 0.015) -> str:
    """Return the CPU milliseconds of one of `count` requests by process as text, largest first.

    least: processes with fewer milliseconds are left out.
    """
    each = {name: 1000 * used / count for name, used in cpu.items()}
    ordered = sorted(each.items(), key=lambda one: -one[1])
    shown = ", ".join(f"{name} {used:.2f}" for name, used in ordered if used >= least)
    return f"{sum(each.values()):.2f} ms: {shown}"


def latencies(run: Run) -> str:
    """Return the median and the 99th percentile as text."""
    return f"p50 {run.at(0.5) * 1000:.1f} ms  p99 {run.at(0.99) * 1000:.1f} ms"
