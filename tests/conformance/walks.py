"""The ways through the guide, each as its examples in order, and what is seen on each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

CREATE, RESERVE, ESCROW, FUND, RELEASE = (
    "1. Create Order",
    "2. Reserve Funds",
    "3. Create Escrow",
    "4. Fund Escrow",
    "5. Release Funds (Buyer Approves)",
)
CANCEL, REFUND, DISPUTE = "Cancel an Order", "Request a Refund", "Open a Dispute"
# "Dispute path" of the overview: POST /disputes/:id/resolve; the guide prints no example of it.
RESOLVE = "resolve"

PURCHASE = (CREATE, RESERVE, ESCROW, FUND)
WALKS: Mapping[str, tuple[str, ...]] = {
    "standard purchase": (*PURCHASE, RELEASE),
    "cancel a new order": (CREATE, CANCEL),
    "cancel a reserved order": (CREATE, RESERVE, CANCEL),
    "refund": (*PURCHASE, REFUND),
    "dispute, released": (*PURCHASE, DISPUTE, f"{RESOLVE} FULL_RELEASE"),
    "dispute, refunded": (*PURCHASE, DISPUTE, f"{RESOLVE} FULL_REFUND"),
}
# The events of the guide's table, by the request that its column "When" names.
TOLD: Mapping[str, tuple[str, ...]] = {
    CREATE: ("order.created",),
    RESERVE: ("order.funds_reserved",),
    ESCROW: ("order.escrow_creating",),
    FUND: ("order.escrow_funding", "order.escrow_funded", "order.in_progress"),
    RELEASE: ("order.release_requested", "order.released", "order.closed"),
    REFUND: ("order.refund_requested", "order.refunded", "order.closed"),
    DISPUTE: ("order.disputed",),
    CANCEL: ("order.canceled", "order.closed"),
    f"{RESOLVE} FULL_RELEASE": ("order.released", "order.closed"),
    f"{RESOLVE} FULL_REFUND": ("order.refunded", "order.closed"),
}
# The one event that is no state of its own: the order is closed in the same moment.
WITHOUT_STATE = "order.canceled"
# What the column "Balance Effect" says: buyer's available and reserved, seller's available, in
# parts of the order's amount.
EFFECTS: Mapping[str, tuple[int, int, int]] = {
    "None": (0, 0, 0),
    "`available -= amount`, `reserved += amount`": (-1, 1, 0),
    "`reserved -= amount` (now on-chain)": (0, -1, 0),
    "Seller: `available += amount`": (0, 0, 1),
    "Buyer: `available += amount`": (1, 0, 0),
}
# What a cancellation gives back where funds were reserved.
RETURNED = (1, -1, 0)


@dataclass(slots=True)
class Seen:
    """What was seen of one walk. answers, events and balances: by step.

    balances: of the buyer, available and reserved, and of the seller, available; what changed
    since the start of the walk, in cents. wrong: where answers are not as printed.
    """

    order_id: str = ""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[str]] = field(default_factory=dict)
    versions: list[int] = field(default_factory=list)
    balances: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def states(self) -> list[str]:
        """Return the states that the order went through, as its events name them."""
        told = [event for events in self.events.values() for event in events]
        return [state_of(event) for event in told if event != WITHOUT_STATE]

    def edges(self) -> set[tuple[str, str]]:
        """Return the transitions that the order made."""
        return set(pairwise(self.states()))


def state_of(event: str) -> str:
    """Return the state that an event tells of."""
    name = event.removeprefix("order.").upper()
    return "ORDER_CREATED" if name == "CREATED" else name


def documented_edges(transitions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Read the guide's lines of transitions: `A → B | C (how)`."""
    for state, after in transitions.items():
        if not after.startswith("("):
            for choice in after.split(" | "):
                yield state, choice.split(" ")[0]


def expected_balances(
    walk: Sequence[str], states: Mapping[str, str], *, cents: int
) -> dict[str, tuple[int, int, int]]:
    """Return the changes that the guide's table of states promises after each step."""
    found, total, is_held = {}, (0, 0, 0), False
    for step in walk:
        effects = [EFFECTS[states[state_of(e)]] for e in TOLD[step] if e != WITHOUT_STATE]
        if step == CANCEL and is_held:
            effects.append(RETURNED)
        is_held = is_held or step == RESERVE
        for effect in effects:
            total = tuple(a + b * cents for a, b in zip(total, effect, strict=True))  # type: ignore[assignment] # three stay three
        found[step] = total
    return found
