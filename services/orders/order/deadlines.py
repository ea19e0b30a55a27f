"""Deadlines: how long an order may rest in a state with money in it, and what happens then. Pure.

RULES lists every deadline. The parties are warned before a deadline, and the default action is
taken after it. A marketplace chooses the days (order/marketplace_rules.py).
"""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kernel.clock import to_milliseconds_text
from services.orders.order.domain import Decided, Fact, Order, State


class Action(enum.Enum):
    """The default action. TELL and ESCALATE publish an event and move no money."""

    CANCEL = "CANCEL"
    RELEASE = "RELEASE"
    TELL = "TELL"
    ESCALATE = "ESCALATE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One deadline. is_delivered: whether the work must be delivered; None: both cases.

    setting: the name of the marketplace's setting. days: the setting's default. why: the reason
    that is recorded when the order is canceled.
    """

    name: str
    state: State
    action: Action
    setting: str
    days: int
    is_delivered: bool | None = None
    why: str = ""

    def covers(self, state: State, *, is_delivered: bool) -> bool:
        """Tell whether the rule applies to an order in this state."""
        return state is self.state and self.is_delivered in {None, is_delivered}


RULES: Sequence[Rule] = (
    Rule(
        name="reservation",
        state=State.FUNDS_RESERVED,
        action=Action.CANCEL,
        setting="reservation_days",
        days=7,
        why="No escrow was created in time",
    ),
    Rule(
        name="funding",
        state=State.ESCROW_CREATING,
        action=Action.CANCEL,
        setting="funding_days",
        days=7,
        why="The escrow was not funded in time",
    ),
    Rule(
        name="delivery",
        state=State.IN_PROGRESS,
        is_delivered=False,
        action=Action.TELL,
        setting="delivery_days",
        days=30,
    ),
    Rule(
        name="acceptance",
        state=State.IN_PROGRESS,
        is_delivered=True,
        action=Action.RELEASE,
        setting="auto_confirm_days",
        days=7,
    ),
    Rule(
        name="decision",
        state=State.DISPUTED,
        action=Action.ESCALATE,
        setting="decision_days",
        days=14,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportTime:
    """The hours that support has to answer and to decide a dispute; None: no limit.

    The order does not change when the hours are over. The disputes service tells support.
    """

    answer_hours: int | None = 24
    decision_hours: int | None = 168


# The default number of hours between the warning and the deadline.
WARNING_HOURS = 24


def warned(order: Order, rule: Rule, *, due_at: dt.datetime, at: dt.datetime) -> Decided:
    """Record that a deadline is near, with the event that warns of it."""
    payload = {**_named(order, rule), "dueAt": to_milliseconds_text(due_at)}
    after = replace(order, updated_at=at)
    return after, (Fact(event_type="order.deadline_warning", payload=payload),)


def passed(order: Order, rule: Rule, *, at: dt.datetime) -> Decided:
    """Record that a deadline has passed, with the event that tells the parties and support."""
    after = replace(order, updated_at=at)
    return after, (Fact(event_type="order.deadline_passed", payload=_named(order, rule)),)


def _named(order: Order, rule: Rule) -> dict[str, object]:
    return {"orderId": order.public_id, "deadline": rule.name, "action": rule.action.value}
