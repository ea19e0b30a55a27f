"""Explore the states of a withdrawal with its hold and its command: no money is stuck.

The moves follow the domain's table. A move to PENDING needs the ledger's hold, and a move from
PENDING needs the end of escrow's command. For each state in which money is or may be held, or an
approval is missing, an exit is searched that needs nobody but the clock or the operator.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from services.escrow.domain import CommandState
from services.orders.withdrawals import domain
from services.orders.withdrawals.domain import State, Trigger
from tools.exits import By

Transitions = Mapping[tuple[State, Trigger], State]
# The trigger of each end of the command, and what happens to the hold.
ENDS = {
    CommandState.SUCCEEDED: (Trigger.COMPLETE, "post the hold"),
    CommandState.FAILED: (Trigger.FAIL, "void the hold"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A state of the product. to_hold: the trigger for which the ledger is asked for the hold.

    is_turned_down: the ledger has refused the hold, which is to be barred. command: escrow's.
    """

    state: State
    to_hold: Trigger | None = None
    is_turned_down: bool = False
    command: CommandState | None = None

    @property
    def has_money(self) -> bool:
        """Tell whether money is held, or about to be."""
        return self.state is State.PENDING or self.to_hold is not None

    @property
    def must_end(self) -> bool:
        """Tell whether a state must not last: it has money, or somebody waits for an approval."""
        return self.has_money or self.state is State.AWAITING_APPROVAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change from one state to another."""

    by: By
    name: str
    after: Stage


START = Stage(state=State.CREATED)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The product of the tables. Tests leave out parts, to check that the gaps are found."""

    transitions: Transitions = field(default_factory=lambda: domain.TRANSITIONS)
    can_rule: bool = True
    is_taken_over: bool = True

    def reachable(self) -> set[Stage]:
        """Return every state that some moves lead to."""
        seen, waiting = {START}, deque([START])
        while waiting:
            for move in self.moves(waiting.popleft()):
                if move.after not in seen:
                    seen.add(move.after)
                    waiting.append(move.after)
        return seen

    def exit(self, stage: Stage) -> list[Move]:
        """Return the shortest path to a state that may last, without a caller; empty: none."""
        ways: deque[tuple[Stage, list[Move]]] = deque([(stage, [])])
        seen = {stage}
        while ways:
            here, way = ways.popleft()
            if not here.must_end:
                return way
            for move in self.moves(here):
                if move.by is not By.CALLER and move.after not in seen:
                    seen.add(move.after)
                    ways.append((move.after, [*way, move]))
        return []

    def stuck(self) -> list[Stage]:
        """Return the states that must not last and have no exit."""
        return [one for one in self.reachable() if one.must_end and not self.exit(one)]

    def moves(self, stage: Stage) -> Iterator[Move]:
        """Yield what may happen in a state."""
        if stage.to_hold is not None:
            yield from self._holding(stage, stage.to_hold)
        elif stage.command is not None:
            yield from self._paying(stage, stage.command)
        elif stage.state is State.PENDING:
            yield from self._taken_over("ask escrow to pay", command(stage, CommandState.RUNNING))
        else:
            yield from self._asked(stage)

    def _asked(self, stage: Stage) -> Iterator[Move]:
        """Yield the moves of callers and of the clock while nothing is held."""
        for (before, trigger), after in self.transitions.items():
            if before is stage.state:
                is_held = after is State.PENDING
                then = replace(stage, to_hold=trigger) if is_held else Stage(state=after)
                by = By.CLOCK if trigger is Trigger.LAPSE else By.CALLER
                yield Move(by=by, name=trigger.value, after=then)

    def _holding(self, stage: Stage, trigger: Trigger) -> Iterator[Move]:
        if stage.is_turned_down:
            yield from self._taken_over("bar the hold", Stage(state=stage.state))
            return
        held = Stage(state=self.transitions[stage.state, trigger])
        yield from self._taken_over("hold the money", held)
        yield from self._taken_over("refuse the hold", replace(stage, is_turned_down=True))

    def _paying(self, stage: Stage, state: CommandState) -> Iterator[Move]:
        if state in ENDS:
            trigger, name = ENDS[state]
            if (after := self.transitions.get((stage.state, trigger))) is not None:
                yield from self._taken_over(name, Stage(state=after))
            return
        if state is CommandState.RUNNING:
            for name, end in (
                ("the chain confirms", CommandState.SUCCEEDED),
                ("the chain refuses", CommandState.FAILED),
                ("nobody knows the outcome", CommandState.QUARANTINED),
            ):
                yield Move(by=By.CALLER, name=name, after=command(stage, end))
        if self.can_rule:
            for end in ENDS:
                yield Move(
                    by=By.OPERATOR, name="adopt or abandon the command", after=command(stage, end)
                )

    def _taken_over(self, name: str, after: Stage) -> Iterator[Move]:
        """Yield the move of the process that holds the lease, or takes it over in time."""
        if self.is_taken_over:
            yield Move(by=By.CLOCK, name=name, after=after)


def command(stage: Stage, state: CommandState) -> Stage:
    """Return a state with escrow's command in another state."""
    return replace(stage, command=state)


def page() -> str:
    """Return the part of docs/states.md: each state that must not last, and its exit."""
    machine = Machine()
    found = sorted((one for one in machine.reachable() if one.must_end), key=_place)
    lines = ["| withdrawal | asked for | hold | command | exit | by |", "|---|---|---|---|---|---|"]
    for one in found:
        way = machine.exit(one)
        hold = "refused" if one.is_turned_down else "held"
        cells = [
            one.state.value,
            one.to_hold.value if one.to_hold else "",
            hold if one.is_turned_down or one.state is State.PENDING else "",
            one.command.value if one.command else "",
            way[0].name,
            way[0].by.value,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return _TEXT + "\n".join([*lines, ""])


def _place(stage: Stage) -> list[int]:
    """Return the position of a state in the page: in the order of the enums."""
    members = (stage.state, stage.to_hold, stage.command)
    places = [-1 if one is None else list(type(one)).index(one) for one in members]
    return [*places, int(stage.is_turned_down)]


_TEXT = """\
## Exits of a withdrawal

`tools/withdrawal_exits.py` explores the withdrawal's table with its hold and the command of escrow.
A withdrawal and an order share no row, no hold and no command. So the exits of one are the same,
whatever state the other is in. When a process dies, its lease runs out and another process goes on:
that is the clock. A withdrawal that waits for an approval holds no money, and ends by the
marketplace's clock. While the command runs, the chain's evidence ends it; if it waits, an alarm
calls the operator.

"""
