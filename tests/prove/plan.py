"""The plan of disturbances: kinds, parts and times, drawn from a seed before the run begins.

"When" is a number of orders that have ended, not a moment: a slow machine is disturbed as often
for each order as a quick one. Pure.
"""

import enum
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.prove.links import LINKS, name_of
from tests.prove.proxy import Mode
from tests.settings import ProofSize


class Kind(enum.StrEnum):
    """A kind of disturbance."""

    KILL = "kill -9"
    PAUSE = "pause"
    NETWORK = "network fault"
    CHAIN = "chain fault"
    LIE = "lying node"
    RESTORE = "database restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One of them. after: orders that have ended. seconds: how long it lasts.

    target: a part, a link or a kind of chain fault. detail: the fault as the devnet is told.
    count: how many of its kind it counts for.
    """

    kind: Kind
    after: int
    target: str
    seconds: float = 0.0
    count: int = 1
    detail: Mapping[str, Any] = field(default_factory=dict)


# Second replicas are parts of their own.
KILLED: Mapping[str, int] = {
    "orders": 3,
    "orders-2": 3,
    "ledger": 4,
    "escrow": 4,
    "escrow-2": 4,
    "disputes": 2,
    "webhooks": 2,
    "gateway": 2,
    "devnet": 2,
    "nats": 3,
    "postgres": 2,
}
PAUSED: Mapping[str, int] = {"orders": 3, "orders-2": 3, "escrow": 3, "escrow-2": 3, "ledger": 1}
# Leases of operations and commands are shorter.
PAUSE_SECONDS = (11.0, 16.0)
# Shares of the kinds of network faults.
MODES: Mapping[Mode, int] = {
    Mode.DELAY: 3,
    Mode.STALL: 3,
    Mode.SILENT: 3,
    Mode.FORGET: 3,
    Mode.RESET: 4,
    Mode.CUT: 4,
    Mode.REFUSE: 3,
}
NETWORK_SECONDS = (1.0, 12.0)
# The contract's functions, and the wallet's payment; None: any of them.
FUNCTIONS: Sequence[str | None] = (
    "fund_escrow",
    "release_funds",
    "approve_milestone",
    "change_milestone_status",
    "dispute_escrow",
    "resolve_dispute",
    "transfer",
    None,
    None,
)
METHODS = (
    "sendTransaction",
    "getTransaction",
    "getLedgerEntries",
    "simulateTransaction",
    "getEvents",
)
CHAIN: Mapping[str, int] = {
    "lost_answer": 4,
    "try_again_later": 3,
    "stale_sequence": 3,
    "hold": 3,
    "fail_at_apply": 3,
    "not_found": 2,
    "rpc_down": 4,
}
LIED_ABOUT = ("fund_escrow", "release_funds", "approve_milestone", "resolve_dispute", None)


def plan(size: ProofSize, *, lie_seconds: float) -> list[Disturbance]:
    """Draw all disturbances, each kind in the order in which it is due."""
    rnd = random.Random(f"plan {size.seed}")
    drawn = [
        *_kills(rnd, size),
        *_pauses(rnd, size),
        *_network(rnd, size),
        *_chain(rnd, size),
        *_lies(size, lie_seconds),
        *_restores(size),
    ]
    return sorted(drawn, key=lambda found: found.after)


def _spread(rnd: random.Random, size: ProofSize) -> int:
    return rnd.randrange(size.orders // 50, max(1, size.orders * 19 // 20))


def _turns(rnd: random.Random, weights: Mapping[str, int]) -> Iterator[str]:
    """Yield names for ever, in random order, by weight."""
    while True:
        bag = [name for name, weight in weights.items() for _ in range(weight)]
        rnd.shuffle(bag)
        yield from bag


def _kills(rnd: random.Random, size: ProofSize) -> Iterator[Disturbance]:
    for _, part in zip(range(size.kills), _turns(rnd, KILLED), strict=False):
        yield Disturbance(kind=Kind.KILL, after=_spread(rnd, size), target=part)


def _pauses(rnd: random.Random, size: ProofSize) -> Iterator[Disturbance]:
    for _, part in zip(range(size.pauses), _turns(rnd, PAUSED), strict=False):
        yield Disturbance(
            kind=Kind.PAUSE,
            after=_spread(rnd, size),
            target=part,
            seconds=rnd.uniform(*PAUSE_SECONDS),
        )


def _network(rnd: random.Random, size: ProofSize) -> Iterator[Disturbance]:
    links = _turns(rnd, {name_of(link): 1 for link in LINKS})
    modes = _turns(rnd, {str(mode): weight for mode, weight in MODES.items()})
    for _, link, mode in zip(range(size.network_faults), links, modes, strict=False):
        yield Disturbance(
            kind=Kind.NETWORK,
            after=_spread(rnd, size),
            target=link,
            seconds=rnd.uniform(*NETWORK_SECONDS),
            detail={"mode": mode, "milliseconds": rnd.uniform(20, 600)},
        )


def _chain(rnd: random.Random, size: ProofSize) -> Iterator[Disturbance]:
    kinds, left = _turns(rnd, CHAIN), size.chain_faults
    while left > 0:
        kind = next(kinds)
        count = min(left, rnd.choice((1, 1, 2, 3)))
        left -= count
        fault: dict[str, Any] = {"kind": kind, "count": count}
        if kind == "rpc_down":
            fault |= {"mode": rnd.choice(("503", "429")), "function": rnd.choice(METHODS)}
        elif kind == "lost_answer":
            fault["mode"] = rnd.choice(("close", "504"))
        if kind not in {"rpc_down", "stale_sequence"}:
            fault["function"] = rnd.choice(FUNCTIONS)
        yield Disturbance(
            kind=Kind.CHAIN, after=_spread(rnd, size), target=kind, count=count, detail=fault
        )


def _lies(size: ProofSize, seconds: float) -> Iterator[Disturbance]:
    for number in range(size.lies):
        function = LIED_ABOUT[number % len(LIED_ABOUT)]
        yield Disturbance(
            kind=Kind.LIE,
            after=size.orders * (number + 1) // (size.lies + 2),
            target=function or "every transaction",
            seconds=seconds,
            detail={"kind": "not_found", "count": 1_000_000, "function": function},
        )


def _restores(size: ProofSize) -> Iterator[Disturbance]:
    for number in range(size.restores):
        yield Disturbance(
            kind=Kind.RESTORE,
            after=size.orders * (2 * number + 1) // (2 * size.restores + 1),
            target="postgres",
            seconds=size.copy_seconds,
        )
