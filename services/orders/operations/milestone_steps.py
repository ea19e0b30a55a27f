"""The step that completes a milestone: both marks on chain, then the order. No money moves."""

import uuid
from collections.abc import Awaitable, Callable, Mapping

from kernel.clock import Clock
from services.orders.operations.escrow_commands import (
    ContractFrozen,
    EscrowCommands,
    require_success,
)
from services.orders.operations.saga import Run
from services.orders.order import milestones
from services.orders.order.use_cases import Kind
from services.orders.peers.ports import Command, EscrowPort, ProviderError


class MilestoneSteps:
    """The step of completing a milestone."""

    def __init__(self, *, escrow: EscrowPort, clock: Clock) -> None:
        self._escrow = escrow
        self._commands = EscrowCommands(escrow)
        self._clock = clock

    def table(self) -> Mapping[Kind, Callable[[Run], Awaitable[None]]]:
        """Return the step by its kind of operation."""
        return {Kind.COMPLETE_MILESTONE: self.complete}

    async def complete(self, run: Run) -> None:
        """Mark the milestone on chain for both sides, then in the order.

        If the chain refuses for good, or an operator abandons the command, the order is unchanged.
        """
        order, fields = await run.order(), run.operation.context

        def start(command_id: uuid.UUID) -> Awaitable[Command]:
            return self._escrow.complete_milestone(
                command_id=command_id, order_id=order.id, place=int(fields["place"])
            )

        why = "the contract is frozen: open a dispute, and decide it"
        try:
            command = await self._commands.ended(run, start)
        except ContractFrozen:
            await run.refuse(_refusal(why))
            return
        if command.state == "FAILED":
            await run.refuse(_refusal(command.error_message or command.error_reason))
            return
        require_success(command)

        at = self._clock.now()
        await run.advance(
            lambda o: milestones.completed(o, ref=fields["ref"], at=at), answers=True, ends=True
        )


def _refusal(why: str) -> ProviderError:
    return ProviderError("The chain did not take the milestone", details={"reason": why})
