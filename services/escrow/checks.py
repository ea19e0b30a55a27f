"""The RPC that previews a command. It runs the command's own method on a store in memory."""

import copy
from dataclasses import replace
from typing import Any

import grpc
from orchestrator.escrow.v1 import escrow_pb2

from chassis.interceptors import validate
from services.escrow import wire
from services.escrow.commands.checking import CheckingAcceptance, Memory
from services.escrow.service import EscrowService
from services.escrow.wallets.service import WalletService

Context = grpc.aio.ServicerContext[Any, Any]
# The RPC of each command that can be previewed, by its field in the request.
CHECKED = {
    "create": "CreateEscrow",
    "fund": "FundEscrow",
    "complete_milestone": "CompleteMilestone",
    "release": "ReleaseEscrow",
    "refund": "RefundEscrow",
    "freeze": "FreezeEscrow",
    "resolve": "ResolveEscrow",
    "withdraw": "Withdraw",
    "credit": "CreditWallet",
}


class CheckMethods:
    """The method of the escrow servicer that previews commands."""

    _escrows: EscrowService
    _wallets: WalletService

    def over(self, escrows: EscrowService, wallets: WalletService) -> Any:
        """Return a servicer with the same methods, on other use cases."""
        twin = copy.copy(self)
        twin.__dict__.update(_escrows=escrows, _wallets=wallets)
        return twin

    async def CheckCommand(  # noqa: N802, D102 - the contract's name; it says what it does
        self, request: escrow_pb2.CheckCommandRequest, context: Context
    ) -> escrow_pb2.CheckCommandResponse:
        kept = Memory()
        accepting = CheckingAcceptance.into(kept, like=self._escrows.acceptance)
        twin = self.over(
            replace(self._escrows, acceptance=accepting, store=kept),
            replace(self._wallets, acceptance=accepting, store=kept),
        )
        if request.HasField("after"):
            await twin.CreateEscrow(request.after, context)
        name = request.WhichOneof("command") or ""
        asked = getattr(request, name)
        validate(asked)
        if "wait_seconds" in asked.DESCRIPTOR.fields_by_name:
            # Nothing is carried out.
            asked.wait_seconds = 0
        await getattr(twin, CHECKED[name])(asked, context)
        return wire.checked(kept.command_, [step.name for step in kept.planned])
