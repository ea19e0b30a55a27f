"""Explore the states of an order with its escrow, its case and its operation: no money is stuck.

The moves follow the tables of the domains. For each state in which money rests, an exit is searched
that needs nobody but the clock, support or the operator.
"""

import enum
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.disputes import domain as disputes
from services.disputes.domain import Action as CaseAction
from services.disputes.domain import DisputeStatus
from services.escrow import domain as escrow
from services.escrow.domain import CommandKind, EscrowState, Outcome
from services.orders.order import deadlines
from services.orders.order import domain as orders
from services.orders.order.deadlines import Action, Rule
from services.orders.order.domain import State, Trigger
from services.orders.order.endings import AGREEABLE
from services.orders.order.use_cases import Kind


class By(enum.Enum):
    """Who makes a move. The first three are always available."""

    CLOCK = "clock"
    SUPPORT = "support"
    OPERATOR = "operator"
    CALLER = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A state of the product of the tables. operation: the running one."""

    order: State
    is_delivered: bool = False
    contract: EscrowState | None = None
    case: DisputeStatus | None = None
    operation: Kind | None = None

    @property
    def has_money(self) -> bool:
        """Tell whether money is held for the order, in its contract, or about to be."""
        return self.order not in {State.ORDER_CREATED, State.CLOSED} or self.operation is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change from one state to another."""

    by: By
    name: str
    after: Rest


Transitions = Mapping[tuple[State, Trigger], State]
START = Rest(order=State.ORDER_CREATED)
# The command of escrow that an operation sends to a funded contract.
_PAYOUTS = {Kind.RELEASE: CommandKind.RELEASE, Kind.REFUND: CommandKind.REFUND}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The product of the tables. Tests leave out parts, to check that the gaps are found."""

    rules: Sequence[Rule] = deadlines.RULES
    transitions: Transitions = field(default_factory=lambda: orders.TRANSITIONS)
    can_abandon: bool = True

    def reachable(self) -> set[Rest]:
        """Return every state that some moves lead to."""
        seen, waiting = {START}, deque([START])
        while waiting:
            for move in self.moves(waiting.popleft()):
                if move.after not in seen:
                    seen.add(move.after)
                    waiting.append(move.after)
        return seen

    def rule(self, rest: Rest) -> Rule | None:
        """Return the deadline of a state; none applies while an operation runs."""
        if rest.operation is not None:
            return None
        for rule in self.rules:
            if rule.covers(rest.order, is_delivered=rest.is_delivered):
                return rule
        return None

    def exit(self, rest: Rest) -> list[Move]:
        """Return the shortest path to CLOSED without a caller; empty: there is none."""
        ways: deque[tuple[Rest, list[Move]]] = deque([(rest, [])])
        seen = {rest}
        order = list(By)
        while ways:
            here, way = ways.popleft()
            if here.order is State.CLOSED and here.operation is None:
                return way
            for move in sorted(self.moves(here), key=lambda one: order.index(one.by)):
                if move.by is not By.CALLER and move.after not in seen:
                    seen.add(move.after)
                    ways.append((move.after, [*way, move]))
        return []

    def stuck(self) -> list[Rest]:
        """Return the states in which money rests without a deadline, an operation or an exit."""
        return [
            rest
            for rest in self.reachable()
            if rest.has_money
            and ((rest.operation is None and self.rule(rest) is None) or not self.exit(rest))
        ]

    def moves(self, rest: Rest) -> Iterator[Move]:
        """Yield what may happen in a state."""
        if rest.operation is None:
            yield from self._commands(rest)
            yield from self._deadline(rest)
        else:
            yield from self._ends(rest, rest.operation)

    def _commands(self, rest: Rest) -> Iterator[Move]:
        """Yield the operations that callers and support may begin."""
        if self._after(rest, Trigger.RESERVE):
            yield Move(by=By.CALLER, name="reserve", after=replace(rest, operation=Kind.RESERVE))
        if self._after(rest, Trigger.RESERVE) or rest.order is State.FUNDS_RESERVED:
            yield Move(by=By.CALLER, name="pay", after=replace(rest, operation=Kind.PAY))
        if self._after(rest, Trigger.CANCEL):
            yield Move(by=By.CALLER, name="cancel", after=replace(rest, operation=Kind.CANCEL))
        if self._after(rest, Trigger.CREATE_ESCROW):
            after = replace(self._creating(rest), operation=Kind.CREATE_ESCROW)
            yield Move(by=By.CALLER, name="create the escrow", after=after)
        if self._after(rest, Trigger.FUND) and rest.contract is EscrowState.CREATED:
            after = replace(self._funding(rest), operation=Kind.FUND_ESCROW)
            yield Move(by=By.CALLER, name="fund the escrow", after=after)
        if self._after(rest, Trigger.DELIVER):
            yield Move(by=By.CALLER, name="deliver", after=replace(rest, is_delivered=True))
        for trigger, kind in ((Trigger.RELEASE, Kind.RELEASE), (Trigger.REFUND, Kind.REFUND)):
            if self._after(rest, trigger):
                yield Move(by=By.CALLER, name=trigger.value, after=self._payout(rest, kind))
        yield from self._disputing(rest)
        yield from self._agreeing(rest)

    def _agreeing(self, rest: Rest) -> Iterator[Move]:
        """Yield how milestones are completed, and how both sides agree on a division."""
        if self._after(rest, Trigger.COMPLETE_MILESTONE):
            after = replace(rest, operation=Kind.COMPLETE_MILESTONE)
            yield Move(by=By.CALLER, name="complete a milestone", after=after)
        if rest.order in AGREEABLE and (_held(rest), CommandKind.RESOLVE) in escrow.TRANSITIONS:
            is_disputed = rest.order is State.DISPUTED
            after = rest if is_disputed else self._moved(rest, Trigger.RELEASE)
            contract = escrow.TRANSITIONS[_held(rest), CommandKind.RESOLVE]
            after = replace(after, contract=contract, operation=Kind.ACCEPT_OFFER)
            yield Move(by=By.CALLER, name="accept an offer", after=after)

    def _disputing(self, rest: Rest) -> Iterator[Move]:
        """Yield how a dispute is opened and decided."""
        if self._after(rest, Trigger.DISPUTE):
            frozen = escrow.TRANSITIONS.get((_held(rest), CommandKind.FREEZE), rest.contract)
            after = replace(
                self._moved(rest, Trigger.DISPUTE),
                contract=frozen,
                case=DisputeStatus.OPEN,
                operation=Kind.OPEN_DISPUTE,
            )
            for by in (By.CALLER, By.SUPPORT):
                yield Move(by=by, name="open a dispute", after=after)
        if rest.order is State.DISPUTED and rest.case is not None:
            assigned = disputes.TRANSITIONS[rest.case, CaseAction.ASSIGN]
            yield Move(by=By.SUPPORT, name="assign", after=replace(rest, case=assigned))
            after = replace(
                rest,
                case=disputes.TRANSITIONS[rest.case, CaseAction.DECIDE],
                contract=escrow.TRANSITIONS[_held(rest), CommandKind.RESOLVE],
                operation=Kind.RESOLVE_DISPUTE,
            )
            yield Move(by=By.SUPPORT, name="decide the dispute", after=after)

    def _deadline(self, rest: Rest) -> Iterator[Move]:
        rule = self.rule(rest)
        if rule is None:
            return
        if rule.action is Action.CANCEL:
            yield Move(by=By.CLOCK, name="cancel", after=replace(rest, operation=Kind.CANCEL))
        elif rule.action is Action.RELEASE and rest.contract is EscrowState.FUNDED:
            yield Move(by=By.CLOCK, name="release", after=self._payout(rest, Kind.RELEASE))
        else:
            yield Move(by=By.CLOCK, name="tell the parties and support", after=rest)

    def _ends(self, rest: Rest, kind: Kind) -> Iterator[Move]:
        """Yield how an operation ends, and how an operator ends one that waits."""
        quiet = replace(rest, operation=None)
        if kind is Kind.RESERVE or (kind is Kind.PAY and rest.order is State.ORDER_CREATED):
            held = replace(rest if kind is Kind.PAY else quiet, order=State.FUNDS_RESERVED)
            yield Move(by=By.CLOCK, name="hold the money", after=held)
            yield Move(by=By.CLOCK, name="refuse the hold", after=quiet)
        elif kind is Kind.CANCEL:
            is_deployed = rest.order is State.ESCROW_CREATING
            after = self._moved(quiet, Trigger.EXPIRE if is_deployed else Trigger.CANCEL)
            yield Move(by=By.CLOCK, name="void the hold", after=after)
        elif kind is Kind.PAY and rest.order is State.FUNDS_RESERVED:
            yield Move(by=By.CLOCK, name="create the escrow", after=self._creating(rest))
        elif rest.order in {State.ESCROW_CREATING, State.ESCROW_FUNDING}:
            yield from self._locking(rest, kind)
        elif kind is Kind.COMPLETE_MILESTONE:
            yield Move(by=By.CALLER, name="the chain answers", after=quiet)
            yield from self._ruled(quiet)
        else:
            yield from self._paying(rest, kind)

    def _locking(self, rest: Rest, kind: Kind) -> Iterator[Move]:
        """Yield the ends of a deployment or funding: done, refused, or abandoned."""
        quiet, held = replace(rest, operation=None), _held(rest)
        done = replace(rest, contract=escrow.TRANSITIONS[held, Outcome.DONE])
        failed = replace(
            self._moved(quiet, Trigger.ESCROW_FAILED),
            contract=escrow.TRANSITIONS[held, Outcome.REFUSED],
        )
        if rest.order is State.ESCROW_FUNDING:
            funded = replace(self._moved(done, Trigger.FUNDED), operation=None)
            done = self._moved(funded, Trigger.START)
        elif kind is Kind.PAY:
            done = self._funding(done)
        else:
            done = replace(done, operation=None)
        yield Move(by=By.CALLER, name="the chain confirms", after=done)
        yield Move(by=By.CALLER, name="the chain refuses", after=failed)
        yield from self._ruled(done, failed)

    def _paying(self, rest: Rest, kind: Kind) -> Iterator[Move]:
        """Yield the ends of a payout or a freeze: done, refused, or abandoned.

        A frozen contract stays frozen.
        """
        quiet, held = replace(rest, operation=None), _held(rest)
        refused = [
            replace(quiet, contract=escrow.TRANSITIONS[held, outcome])
            for outcome in (Outcome.REFUSED, Outcome.REFUSED_FROZEN)
            if (held, outcome) in escrow.TRANSITIONS
        ] or [quiet]
        if kind is not Kind.OPEN_DISPUTE:
            refused = [self._moved(one, Trigger.PAYOUT_ABANDONED) for one in refused]
        done = []
        if (held, Outcome.DONE) in escrow.TRANSITIONS:
            paid = replace(quiet, contract=escrow.TRANSITIONS[held, Outcome.DONE])
            done = [paid] if kind is Kind.OPEN_DISPUTE else self._closed(paid, kind)
        for after in done:
            yield Move(by=By.CALLER, name="the chain confirms", after=after)
        for after in refused:
            # Without a command on chain the operation ends by itself.
            by = By.CALLER if done else By.CLOCK
            yield Move(by=by, name="the chain refuses", after=after)
        yield from self._ruled(*done, *refused)

    def _closed(self, paid: Rest, kind: Kind) -> list[Rest]:
        triggers = {Kind.RELEASE: [Trigger.RELEASED], Kind.REFUND: [Trigger.REFUNDED]}
        if paid.case is not None:
            paid = replace(paid, case=disputes.TRANSITIONS[paid.case, CaseAction.COMPLETE])
        return [
            self._moved(self._moved(paid, trigger), Trigger.CLOSE)
            for trigger in triggers.get(kind, [Trigger.RELEASED, Trigger.REFUNDED])
            if self._after(paid, trigger)
        ]

    def _ruled(self, *ends: Rest) -> Iterator[Move]:
        """Yield an operator's rulings on a waiting operation, which follow its alarm."""
        if self.can_abandon:
            for after in ends:
                yield Move(by=By.OPERATOR, name="adopt or abandon the command", after=after)

    def _after(self, rest: Rest, trigger: Trigger) -> State | None:
        return self.transitions.get((rest.order, trigger))

    def _moved(self, rest: Rest, trigger: Trigger) -> Rest:
        return replace(rest, order=self.transitions[rest.order, trigger])

    def _creating(self, rest: Rest) -> Rest:
        contract = EscrowState.CREATING
        if rest.contract is not None:
            contract = escrow.TRANSITIONS[rest.contract, CommandKind.CREATE]
        return replace(self._moved(rest, Trigger.CREATE_ESCROW), contract=contract)

    def _funding(self, rest: Rest) -> Rest:
        contract = escrow.TRANSITIONS[_held(rest), CommandKind.FUND]
        return replace(self._moved(rest, Trigger.FUND), contract=contract)

    def _payout(self, rest: Rest, kind: Kind) -> Rest:
        """Begin a payout; a frozen contract refuses a release."""
        trigger = Trigger.RELEASE if kind is Kind.RELEASE else Trigger.REFUND
        contract = escrow.TRANSITIONS.get((_held(rest), _PAYOUTS[kind]), rest.contract)
        return replace(self._moved(rest, trigger), contract=contract, operation=kind)


def _held(rest: Rest) -> EscrowState:
    if rest.contract is None:
        raise LookupError(f"{rest} has no contract")
    return rest.contract


def page() -> str:
    """Return the part of docs/states.md: each state in which money rests, and its exit."""
    machine = Machine()
    found = sorted((rest for rest in machine.reachable() if rest.has_money), key=_place)
    lines = [
        "| order | delivered | escrow | case | operation | deadline | exit | by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rest in found:
        rule, way = machine.rule(rest), machine.exit(rest)
        cells = [
            rest.order.value,
            "yes" if rest.is_delivered else "",
            rest.contract.value if rest.contract else "",
            rest.case.value if rest.case else "",
            rest.operation.value if rest.operation else "",
            rule.name if rule else "",
            way[0].name,
            way[0].by.value,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return _TEXT + "\n".join([*lines, ""])


def _place(rest: Rest) -> list[int]:
    """Return the position of a state in the page: in the order of the enums."""
    members = (rest.order, rest.operation, rest.contract, rest.case)
    places = [-1 if one is None else list(type(one)).index(one) for one in members]
    return [*places, int(rest.is_delivered)]


_TEXT = """\
## Exits

`tools/exits.py` explores the product of the tables above with the running operation and the
deadlines (`services/orders/order/deadlines.py`), and finds every state in which money rests. Each
has an exit that needs nobody but the clock, support or the operator. The table shows the first move
of the shortest one. While an operation runs, the chain's evidence ends it; if it waits, an alarm
calls the operator.

"""
