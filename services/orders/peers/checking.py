"""The peers of a preview: gRPC clients that ask what a peer would do. Nothing is changed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from orchestrator.disputes.v1 import disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from chassis.channel import Caller
from services.orders.order.domain import Order, UserName
from services.orders.order.marketplace_rules import MarketplaceRules
from services.orders.peers.clients import (
    DisputesClient,
    EscrowClient,
    LedgerClient,
    RequestT,
    Starting,
    command_of,
    new_transfer,
    posted_of,
)
from services.orders.peers.ports import BalanceChange, Command, Payment, Posted, Transfer


class CheckingLedger(LedgerClient):
    """A ledger that checks transfers without posting them, each on top of the earlier ones."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub, caller: Caller) -> None:
        super().__init__(stub, caller)
        self._asked: list[ledger_pb2.NewTransfer] = []
        self._opened: list[str] = []

    async def open_account(self, *, user: UserName, asset: str) -> None:
        """Treat the user's account as open in later checks."""
        del asset
        self._opened.append(str(user.id))

    async def post(self, transfers: Sequence[Transfer]) -> list[Posted]:
        """Check transfers. Refused ones do not count in later checks."""
        if not transfers:
            return []
        asked = [new_transfer(one, linked=one is not transfers[-1]) for one in transfers]
        answer = await self._check([*self._asked, *asked], self._opened)
        posted = [posted_of(result) for result in answer.results[len(self._asked) :]]
        if not any(one.is_refused for one in posted):
            self._asked += asked
        return posted

    async def balances(self, users: Sequence[UserName], *, asset: str) -> list[BalanceChange]:
        """Return users' balances before and after the checked transfers."""
        answer = await self._check(self._asked, [str(user.id) for user in users], asset=asset)
        return [
            BalanceChange(
                user=user,
                available_before=before.available.minor_units,
                reserved_before=before.reserved.minor_units,
                available_after=after.available.minor_units,
                reserved_after=after.reserved.minor_units,
            )
            for user, before, after in zip(users, answer.before, answer.after, strict=True)
        ]

    async def _check(
        self,
        transfers: Sequence[ledger_pb2.NewTransfer],
        user_ids: Sequence[str],
        *,
        asset: str = "USDC",
    ) -> ledger_pb2.CheckTransfersResponse:
        request = ledger_pb2.CheckTransfersRequest(
            transfers=transfers, user_ids=user_ids, asset=asset
        )
        return await self._caller.call(self._stub.CheckTransfers, request)


class CheckingEscrow(EscrowClient):
    """An escrow that computes how each command would end, by the contract's arithmetic."""

    def __init__(self, stub: escrow_pb2_grpc.EscrowServiceStub, caller: Caller) -> None:
        super().__init__(stub, caller)
        self.payments: list[Payment] = []
        self.steps: list[str] = []
        self._created: escrow_pb2.CreateEscrowRequest | None = None
        self._ended: dict[uuid.UUID, Command] = {}

    async def create_wallet(self, *, user: UserName, wait_seconds: int) -> str:
        """Make no wallet."""
        del user, wait_seconds
        return ""

    async def command(self, *, command_id: uuid.UUID, wait_seconds: int) -> Command:
        """Return a command that was checked."""
        del wait_seconds
        return self._ended[command_id]

    async def _start(
        self, method: "Starting[RequestT]", request: RequestT, *, waits: bool = False
    ) -> Command:
        """Ask what a command would do. Raises: the refusal that the peer would return."""
        del method, waits
        asked = escrow_pb2.CheckCommandRequest(after=self._created)
        _field_for(asked, request).CopyFrom(request)
        answer = await self._caller.call(self._stub.CheckCommand, asked)
        if isinstance(request, escrow_pb2.CreateEscrowRequest):
            self._created = request
        command = command_of(answer.command)
        self._ended[command.id] = command
        self.payments += command.payments
        self.steps += answer.steps
        return command


def _field_for(asked: escrow_pb2.CheckCommandRequest, request: Message) -> Message:
    """Return the field of CheckCommandRequest for a command's request."""
    for known in asked.DESCRIPTOR.oneofs_by_name["command"].fields:
        if known.message_type is request.DESCRIPTOR:
            found: Message = getattr(asked, known.name)
            return found
    raise ValueError(f"{request.DESCRIPTOR.name} cannot be previewed")


class CheckingDisputes(DisputesClient):
    """A disputes client that writes nothing. The order's own rules decide what is allowed."""

    async def open(
        self,
        *,
        request_id: str,
        dispute_id: uuid.UUID,
        order: Order,
        rules: MarketplaceRules,
        fields: Mapping[str, str],
    ) -> None:
        """Open no case."""

    async def decide(
        self, *, request_id: str, dispute_id: uuid.UUID, order: Order, fields: Mapping[str, str]
    ) -> None:
        """Record no decision."""

    async def withdraw(self, *, request_id: str, dispute_id: uuid.UUID, why: str) -> None:
        """Withdraw no decision."""

    async def complete(self, *, request_id: str, dispute_id: uuid.UUID) -> None:
        """Complete no case."""


@dataclass(slots=True, kw_only=True)
class CheckingClients:
    """The peers of one preview."""

    ledger: CheckingLedger
    escrow: CheckingEscrow
    disputes: CheckingDisputes

    @classmethod
    def over(
        cls,
        caller: Caller,
        *,
        ledger: ledger_pb2_grpc.LedgerServiceStub,
        escrow: escrow_pb2_grpc.EscrowServiceStub,
        disputes: disputes_pb2_grpc.DisputesServiceStub,
    ) -> "CheckingClients":
        """Make the peers of one preview from the services' stubs."""
        return cls(
            ledger=CheckingLedger(ledger, caller),
            escrow=CheckingEscrow(escrow, caller),
            disputes=CheckingDisputes(disputes, caller),
        )

    @property
    def payments(self) -> Sequence[Payment]:
        """The payments that the chain would make, without transaction hashes."""
        return self.escrow.payments

    @property
    def steps(self) -> Sequence[str]:
        """The names of the chain transactions that would follow."""
        return self.escrow.steps

    async def balances(self, users: Sequence[UserName], *, asset: str) -> list[BalanceChange]:
        """Return users' balances before and after the checked transfers."""
        return await self.ledger.balances(users, asset=asset)
