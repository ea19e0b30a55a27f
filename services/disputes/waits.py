"""The waits of a case for support: for the first answer, and for the decision. Pure.

The due moment of each wait is fixed when the case is opened. A wait is overdue when its due moment
has passed, it has not ended, and its event has been published. The event is published once.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace


class Wait(enum.StrEnum):
    """What a case waits for."""

    FIRST_ANSWER = "FIRST_ANSWER"
    DECISION = "DECISION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """The waits of a case, by the marketplace's clock.

    A due moment of None means that there is no such wait. told: the waits whose event was
    published.
    """

    first_answer_due_at: dt.datetime | None = None
    first_answered_at: dt.datetime | None = None
    decision_due_at: dt.datetime | None = None
    told: frozenset[Wait] = frozenset()

    @property
    def is_unanswered(self) -> bool:
        """Tell whether the case waits for its first answer."""
        return self.first_answer_due_at is not None and self.first_answered_at is None

    def answered(self, *, time: dt.datetime) -> "Waits":
        """End the wait for the first answer. time: by the marketplace's clock."""
        return replace(self, first_answered_at=time) if self.is_unanswered else self

    def running(self, *, is_decided: bool) -> Mapping[Wait, dt.datetime]:
        """Return the due moments of the waits that have not ended. A decision ends both waits."""
        if is_decided:
            return {}
        first = self.first_answer_due_at if self.is_unanswered else None
        due = {Wait.FIRST_ANSWER: first, Wait.DECISION: self.decision_due_at}
        return {wait: at for wait, at in due.items() if at is not None}

    def untold(self, *, is_decided: bool) -> tuple[dt.datetime, Wait] | None:
        """Return the running wait whose event is published next, with its due moment."""
        running = self.running(is_decided=is_decided)
        return min(
            ((at, wait) for wait, at in running.items() if wait not in self.told), default=None
        )

    def overdue_since(self, *, is_decided: bool) -> dt.datetime | None:
        """Return the earliest due moment of an overdue wait; None: no wait is overdue."""
        running = self.running(is_decided=is_decided)
        return min((at for wait, at in running.items() if wait in self.told), default=None)

    def tell(self, wait: Wait) -> "Waits":
        """Record that the event of a wait is published."""
        return replace(self, told=self.told | {wait})


def begun(
    *, time: dt.datetime, answer_within: dt.timedelta | None, decide_within: dt.timedelta | None
) -> Waits:
    """Return the waits of a case that is opened at `time`, by the marketplace's clock."""
    return Waits(
        first_answer_due_at=None if answer_within is None else time + answer_within,
        decision_due_at=None if decide_within is None else time + decide_within,
    )


# The waits of a case for which support has no time limit.
NO_WAITS = Waits()
