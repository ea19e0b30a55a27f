"""A command as the books have it, with who signs for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.escrow.calls import Parties
from services.escrow.domain import Command, Escrow, Wallet
from services.escrow.ports import Signer
from services.escrow.store.records import Lease, Step, StepState

T = TypeVar("T")
# Why a command waits while nothing new may be sent.
CHAIN_AHEAD = "CHAIN_AHEAD"


class NotNow(Exception):
    """A step cannot be done yet, and nothing of it is in flight.

    The command rests for so many seconds, or longer each time where none are given; its channel
    account is free for others meanwhile. reason: what GetCommand tells of the wait.
    """

    def __init__(
        self, message: str, *, reason: str = "NOT_YET", seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command as the books have it. target: the wallet of a command on a wallet.

    wallets: of all who take part; is_held: nothing new may be sent until an operator confirms.
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

    @property
    def escrow(self) -> Escrow:
        """Return the escrow of a command that has one."""
        return present(self.command.escrow)

    @property
    def current(self) -> Step | None:
        """Return the step to do next; None: all are done."""
        return next((step for step in self.steps if step.state is StepState.PLANNED), None)

    @property
    def doubted(self) -> Step | None:
        """Return the step that has landed otherwise than was meant, if there is one."""
        return next((step for step in self.steps if step.doubt), None)

    @property
    def has_changed_the_chain(self) -> bool:
        """Tell whether a step of the command has landed."""
        return any(step.state is StepState.SUCCEEDED for step in self.steps)


def held_up() -> NotNow:
    """Return what to raise while the chain has more than the books."""
    return NotNow(
        "the chain has transactions of ours that the books lack; an operator must confirm",
        reason=CHAIN_AHEAD,
    )


def present(value: T | None) -> T:
    """Return what the kind of the command promises to be there."""
    if value is None:
        raise LookupError("the command lacks what its kind has")
    return value
