"""Decides about commands that make no progress: they rest, and some are finally refused.

Such a command does not keep a slot of the worker for long, nor a channel account without an
envelope. A refusal needs certainty that nothing of the command can land, and that only this command
is in trouble:

- the step is one that may be refused, and no envelope of it may have landed;
- it has been in trouble for `refuse_after_seconds`, by the database's clock;
- the provider has answered this very call with a refusal; or, if nobody answered or something
  unexpected happened, the same step of another command got through in the meantime.

An outage of the node or of the provider stops the steps of all commands, and so refuses nothing.
"""

from dataclasses import dataclass

from chassis.database import Database
from kernel.errors import DomainError, Unavailable
from services.escrow.contracts.kinds import MAY_BE_REFUSED
from services.escrow.contracts.steps import AttemptState, Step
from services.escrow.ports import Chain, ProviderRefused
from services.escrow.sending.progress import Progress
from services.escrow.sending.sender import Refused
from services.escrow.sending.work import NotNow, Work

# How often an envelope that may land is sent again, and its outcome asked for.
IN_FLIGHT_SECONDS = 2
# How often a node that answers nobody is asked again, however long it has been away.
OUTAGE_SECONDS = 5
MESSAGE_MAX = 300


class StepTooSlow(Unavailable):
    """A step has used its time in the worker without finishing. It is retried later."""

    reason = "NO_ANSWER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Decides about commands in trouble. refuse_after_seconds: see the module's docstring."""

    database: Database
    progress: Progress
    chain: Chain
    refuse_after_seconds: int

    async def decide(self, work: Work, step: Step, trouble: Exception) -> NotNow | Refused:
        """Return how long a command rests and why, or that it is refused."""
        reason, message = "UNEXPECTED", f"{type(trouble).__name__}: {trouble}"[:MESSAGE_MAX]
        if isinstance(trouble, DomainError):
            reason, message = trouble.reason, trouble.message[:MESSAGE_MAX]
        if step.in_flight is not None:
            return NotNow(message, reason="IN_FLIGHT", seconds=IN_FLIGHT_SECONDS)
        if isinstance(trouble, Unavailable):
            try:
                await self.chain.latest_ledger()
            except Unavailable:
                return NotNow(message, reason=reason, seconds=OUTAGE_SECONDS)
        # A node that withholds a ledger also says that an envelope was not found. So only an
        # envelope that failed in a ledger is certain not to land.
        cannot_land = all(attempt.state is AttemptState.FAILED for attempt in step.attempts)
        if step.name in MAY_BE_REFUSED and cannot_land:
            async with self.database.statement() as connection:
                is_certain = await self.progress.is_own_trouble(
                    connection,
                    lease=work.lease,
                    step=step,
                    seconds=self.refuse_after_seconds,
                    is_answered=isinstance(trouble, ProviderRefused),
                )
            if is_certain:
                return Refused(reason, message)
        return NotNow(message, reason=reason, is_trouble=True)
