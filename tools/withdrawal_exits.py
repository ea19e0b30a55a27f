"""Explore the states of a withdrawal: each in which it must not stay has an exit.

The moves follow the withdrawal's table. From each state in which money is held, a hold is being
made or an approval is missing, an exit is looked for that needs nobody but the clock or the
operator.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from services.orders.withdrawals.domain import TRANSITIONS, State, Trigger
from tools.exits import By


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A state of a withdrawal. in_progress: a process makes its hold, or lets it be paid."""

    state: State
    in_progress: bool = False

    @property
    def must_end(self) -> bool:
        """Tell whether it must not stay so: money is held, or somebody waits."""
        return self.in_progress or self.state is State.AWAITING_APPROVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A way from one state to another."""

    by: By
    name: str
    after: Stand


START = Stand(state=State.CREATED)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The table with the work in progress. A test leaves out a part, to see that this is found."""

    transitions: Mapping[tuple[State, Trigger], State] = field(default_factory=lambda: TRANSITIONS)
    can_abandon: bool = True

    def reachable(self) -> list[Stand]:
        """Return every state that some steps lead to, in the order in which they are reached."""
        seen, waiting = [START], deque([START])
        while waiting:
            for step in self.steps(waiting.popleft()):
                if step.after not in seen:
                    seen.append(step.after)
                    waiting.append(step.after)
        return seen

    def exit(self, stand: Stand) -> list[Step]:
        """Return the shortest way to where it may stay, without a caller; empty: there is none."""
        ways: deque[tuple[Stand, list[Step]]] = deque([(stand, [])])
        seen = {stand}
        while ways:
            here, way = ways.popleft()
            if not here.must_end:
                return way
            for step in self.steps(here):
                if step.by is not By.CALLER and step.after not in seen:
                    seen.add(step.after)
                    ways.append((step.after, [*way, step]))
        return []

    def stuck(self) -> list[Stand]:
        """Return the states in which it must not stay and that have no exit."""
        return [one for one in self.reachable() if one.must_end and not self.exit(one)]

    def steps(self, stand: Stand) -> Iterator[Step]:
        """Return what may happen in a state."""
        if stand.state is State.PENDING:
            # Alone, the chain's evidence may never come: the operator then decides.
            for trigger in (Trigger.COMPLETE, Trigger.FAIL):
                after = Stand(state=self.transitions[stand.state, trigger])
                yield Step(by=By.CALLER, name="the chain answers", after=after)
                if self.can_abandon:
                    yield Step(by=By.OPERATOR, name="adopt or abandon the command", after=after)
            return
        hold = Trigger.COMMIT if stand.state is State.CREATED else Trigger.APPROVE
        if stand.in_progress:
            held = Stand(state=self.transitions[stand.state, hold], in_progress=True)
            yield Step(by=By.CLOCK, name="hold the amount", after=held)
            refused = replace(stand, in_progress=False)
            yield Step(by=By.CLOCK, name="refuse the hold", after=refused)
            return
        if (stand.state, hold) in self.transitions:
            begun = replace(stand, in_progress=True)
            yield Step(by=By.CALLER, name=hold.value, after=begun)
        moves = {Trigger.SUBMIT: By.CALLER, Trigger.CANCEL: By.CALLER, Trigger.LAPSE: By.CLOCK}
        for trigger, by in moves.items():
            if (stand.state, trigger) in self.transitions:
                moved = Stand(state=self.transitions[stand.state, trigger])
                yield Step(by=by, name=trigger.value, after=moved)


def page() -> str:
    """Return the part of docs/states.md: each state in which it must not stay, and its exit."""
    machine = Machine()
    lines = ["| withdrawal | in progress | exit | by |", "|---|---|---|---|"]
    for stand in machine.reachable():
        if stand.must_end:
            first, *_ = machine.exit(stand)
            progress = "yes" if stand.in_progress else ""
            lines.append(f"| {stand.state.value} | {progress} | {first.name} | {first.by.value} |")
    return _TEXT + "\n".join([*lines, ""])


_TEXT = """\
## Exits of a withdrawal

`tools/withdrawal_exits.py` does the same for withdrawals. A withdrawal that waits for an approval
holds no money, and ends by the marketplace's clock.

"""
