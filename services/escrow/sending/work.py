"""A command as the books have it, with its signers."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from chassis.leases import Lease
from kernel.errors import Unavailable
from services.escrow.contracts.contract import Parties
from services.escrow.contracts.evidence import EscrowView
from services.escrow.contracts.kinds import COUNTED, PAYMENTS, SIDE_BY_SIDE
from services.escrow.contracts.steps import Attempt, Step, StepName, StepState
from services.escrow.domain import Command, CommandState, Escrow, Payment, Wallet
from services.escrow.ports import Signer
from services.escrow.sending.flows import FLOWS, Passage

T = TypeVar("T")
# The reason of a command that waits while nothing new may be sent.
CHAIN_AHEAD = "CHAIN_AHEAD"
# The reason of a step that waits until the ledgers are read: they have what used its number, and
# the books do not.
READING_LEDGERS = "READING_LEDGERS"


class NotNow(Exception):
    """A step cannot be done yet, and nothing of it is in flight.

    The command rests for `seconds`; None: longer each time. Meanwhile others can use its channel
    account. reason: of the wait, as GetCommand returns it. is_trouble: whether the command cannot
    make progress, for which it may finally be refused (see `patience`); None: unknown.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "NOT_YET",
        seconds: int | None = None,
        is_trouble: bool | None = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.seconds = seconds
        self.is_trouble = is_trouble


class BooksChanged(Unavailable):
    """The command has changed since it was read. It is read again."""

    reason = "BOOKS_CHANGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command as the books have it. target: the wallet of a command on a wallet.

    target is None if there is an escrow, or if the platform's wallet pays. wallets: of all
    participants; is_held: nothing new may be sent until an operator confirms; may_claim: the chain
    has transactions of ours that no step has claimed; view: the contract as it was read back after
    the last step, None: it has to be read; known_ledger, was_frozen_before: what had landed on the
    escrow when the command was read.
    """

    lease: Lease
    command: Command
    steps: Sequence[Step]
    platform: str
    signers: Mapping[str, Signer]
    wallets: Sequence[Wallet]
    parties: Parties | None
    target: Wallet | None
    is_held: bool = False
    may_claim: bool = False
    known_ledger: int = 0
    was_frozen_before: bool = False
    view: EscrowView | None = None

    @property
    def escrow(self) -> Escrow:
        """Return the escrow of a command that has one."""
        return present(self.command.escrow)

    @property
    def payer(self) -> str:
        """Return the address that a withdrawal is paid from: the wallet's, or the platform's."""
        return self.platform if self.target is None else self.target.address

    @property
    def to_do(self) -> Step | None:
        """Return the step to look at next; None: all are done.

        In an abandoned command, steps with a signed envelope that may still land come first.
        """
        planned = [step for step in self.steps if step.state is StepState.PLANNED]
        signed = [step for step in planned if step.is_signed and self.command.abandoned_why]
        return self.doubted or next(iter([*signed, *planned]), None)

    @property
    def current(self) -> Step | None:
        """Return the step to do next; None: all are done."""
        return next((step for step in self.steps if step.state is StepState.PLANNED), None)

    def following(self, step: Step) -> Step | None:
        """Return the step to do after one has landed; None: that one is the last."""
        planned = (each for each in self.steps if each.state is StepState.PLANNED)
        return next((each for each in planned if each.id != step.id), None)

    def beside(self, step: Step) -> Step | None:
        """Return a step that may be in flight at the same time, or None."""
        if step.name not in SIDE_BY_SIDE or self.command.abandoned_why:
            return None
        planned = (each for each in self.steps if each.state is StepState.PLANNED)
        others = (each for each in planned if each.name in SIDE_BY_SIDE - {step.name})
        return next(others, None)

    def with_step(self, changed: Step) -> "Work":
        """Return the command with a changed step."""
        steps = [changed if each.id == changed.id else each for each in self.steps]
        return replace(self, steps=steps)

    def landed(
        self, step: Step, attempt: Attempt, *, paid: Sequence[Payment], view: EscrowView | None
    ) -> "Work":
        """Return the command after a step has landed as meant. attempt: in its final state."""
        done = replace(step, state=StepState.SUCCEEDED, attempts=(*step.attempts, attempt))
        payments = (*self.command.payments, *paid)
        command = replace(self.command, payments=payments, waits=0)
        return replace(self.with_step(done), command=command, view=view)

    def going_on(
        self,
        escrow: Escrow | None,
        *,
        heir: Step | None,
        slot: tuple[str, int] | None,
        has_ended: bool,
        ended_at: dt.datetime | None,
    ) -> "Work":
        """Return the command as it was written when its step landed.

        escrow: the escrow, if it has changed; slot: the account and number that the heir has got;
        ended_at: None if the end of the command was not written with the step.
        """
        command = replace(self.command, escrow=escrow or self.command.escrow)
        if has_ended:
            command = replace(
                command,
                state=CommandState.SUCCEEDED,
                step="",
                error_reason="",
                error_message="",
                abandoned_why="",
                finished_at=ended_at,
            )
        after = replace(self, command=command)
        if heir is None or slot is None:
            return after
        return after.with_step(replace(heir, source=slot[0], sequence=slot[1]))

    @property
    def doubted(self) -> Step | None:
        """Return the step that landed differently than was meant, or None."""
        return next((step for step in self.steps if step.doubt), None)

    def passage(self, step: Step) -> Passage | None:
        """Return a step's passage through its flow; None: its command is in no flow."""
        flow = FLOWS.get(self.command.kind)
        if flow is None:
            return None
        minor_units = 0
        if step.name in COUNTED:
            is_payment = step.name in PAYMENTS
            minor_units = step.number("minor_units") if is_payment else self.escrow.terms.amount
        return Passage(
            marketplace_id=self.lease.marketplace_id,
            flow=flow,
            step_id=step.id,
            minor_units=minor_units,
            is_counted=any(not attempt.is_burn for attempt in step.attempts),
        )

    @property
    def newest_ledger(self) -> int:
        """Return the newest ledger in which something of ours has landed on the escrow.

        While a command runs, only its own steps land there.
        """
        own = [attempt.ledger or 0 for step in self.steps for attempt in step.attempts]
        return max([self.known_ledger, *own])

    @property
    def was_frozen_by_us(self) -> bool:
        """Tell whether one of our steps has disputed the contract."""
        own = any(step.name is StepName.DISPUTE and step.landed for step in self.steps)
        return own or self.was_frozen_before

    @property
    def has_changed_the_chain(self) -> bool:
        """Tell whether a step of the command has landed."""
        return any(step.state is StepState.SUCCEEDED for step in self.steps)


def held_up() -> NotNow:
    """Return the exception for a step that must wait while a hold is open."""
    return NotNow(
        "the chain has transactions of ours that the books lack; an operator must confirm",
        reason=CHAIN_AHEAD,
    )


def present(value: T | None) -> T:
    """Return a value that every command of the kind has. Raises: LookupError: it is missing."""
    if value is None:
        raise LookupError("the command lacks what its kind has")
    return value
