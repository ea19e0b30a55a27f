"""Starting a command of escrow for an operation, and waiting for its end.

Commands have ids derived from their operation: one that is started again is the same command.
"""

import uuid
from collections.abc import Awaitable, Callable

from kernel.errors import FailedPrecondition
from kernel.ids import derived_id
from services.orders.operations.operation import Operation
from services.orders.operations.saga import NotYet, Run, Stuck
from services.orders.peers.ports import Command, EscrowPort

# How long one question to the escrow service waits for a command's end.
COMMAND_WAIT_SECONDS = 20
# Refusals that pass when the command that is being carried out has ended.
PASSING = frozenset({"ESCROW_NOT_READY", "COMMAND_IN_MOTION"})


class ContractFrozen(Exception):
    """The contract is disputed, so that it neither releases nor can be frozen again."""


class EscrowCommands:
    """Commands of operations."""

    def __init__(self, escrow: EscrowPort) -> None:
        self._escrow = escrow

    async def ended(
        self,
        run: Run,
        start: Callable[[uuid.UUID], Awaitable[Command]],
        *,
        purpose: str = "",
    ) -> Command:
        """Start a command while the lease is held, and wait for its end.

        Raises: NotYet: another command must end first; ContractFrozen; LeaseLost.
        """
        await run.hold()
        try:
            command = await start(command_id(run.operation, purpose))
        except FailedPrecondition as refusal:
            if refusal.details.get("state") == "DISPUTED":
                raise ContractFrozen from None
            if refusal.reason in PASSING:
                raise NotYet from None
            raise
        return await self.wait(command)

    async def wait(self, command: Command) -> Command:
        """Ask until the command has ended; a quarantined one has not, but must be looked at."""
        while True:
            current = await self._escrow.command(
                command_id=command.id, wait_seconds=COMMAND_WAIT_SECONDS
            )
            if current.state != "RUNNING":
                return current


def command_id(operation: Operation, purpose: str = "") -> uuid.UUID:
    """Return the id of an operation's command. purpose: of operations that have several."""
    return derived_id(operation.id, "escrow", purpose)


def require_success(command: Command) -> None:
    """Check how a command ended. Raises: Stuck: it failed or is quarantined."""
    if command.state != "SUCCEEDED":
        raise Stuck(
            f"escrow command {command.id} is {command.state}:"
            f" {command.error_reason} {command.error_message}"
        )
