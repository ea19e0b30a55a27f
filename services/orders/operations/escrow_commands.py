"""Start a command of the escrow service for an operation, and wait until it ends.

A command's id is derived from its operation, so a repeated start returns the same command.
"""

import uuid
from collections.abc import Awaitable, Callable

from kernel.errors import FailedPrecondition
from kernel.ids import derived_id
from services.orders.operations.operation import Operation
from services.orders.operations.saga import NotYet, Run, Stuck
from services.orders.peers.ports import Command, EscrowPort

# How long one call to the escrow service waits for a command's end.
COMMAND_WAIT_SECONDS = 20
# Temporary refusals: they end when the contract's running command has ended.
PASSING = frozenset({"ESCROW_NOT_READY", "COMMAND_IN_MOTION"})


class ContractFrozen(Exception):
    """The contract is disputed: it cannot release, and it cannot be frozen again."""


class EscrowCommands:
    """Starts and awaits the escrow commands of operations."""

    def __init__(self, escrow: EscrowPort) -> None:
        self._escrow = escrow

    async def ended(
        self,
        run: Run,
        start: Callable[[uuid.UUID], Awaitable[Command]],
        *,
        purpose: str = "",
    ) -> Command:
        """Check that the operation's lease is held, start a command, and wait until it ends.

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
        """Poll until the command no longer runs: it has ended, or it is quarantined."""
        while command.state == "RUNNING":
            command = await self._escrow.command(
                command_id=command.id, wait_seconds=COMMAND_WAIT_SECONDS
            )
        return command


def command_id(operation: Operation, purpose: str = "") -> uuid.UUID:
    """Return the id of an operation's command. purpose: tells several commands apart."""
    return derived_id(operation.id, "escrow", purpose)


def require_success(command: Command) -> None:
    """Check that a command succeeded. Raises: Stuck: it failed or is quarantined."""
    if command.state != "SUCCEEDED":
        raise Stuck(
            f"escrow command {command.id} is {command.state}:"
            f" {command.error_reason} {command.error_message}"
        )
