"""The gRPC surface: decode, call one use case, encode. ACCESS says who may call what."""

import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc

from chassis import identity
from chassis.idempotency import Answer, request_key
from chassis.identity import MARKETPLACE, PEOPLE, REPLAYED_KEY, STAFF, allow
from chassis.server import Binding
from chassis.wire import money_from_proto, page_size, uuid_from_token
from services.escrow import redirecting, wire
from services.escrow.checks import CheckMethods
from services.escrow.commands.acceptance import Request
from services.escrow.domain import CommandKind
from services.escrow.operating.attention import Attention
from services.escrow.operating.controls import Controls
from services.escrow.operating.network import NetworkChecks
from services.escrow.operating.rulings import Ruling, Rulings
from services.escrow.queries import Queries
from services.escrow.redirecting import Redirecting, RedirectMethods
from services.escrow.sending.flows import Change
from services.escrow.service import EscrowService
from services.escrow.wallets.rewrapping import Rewrapping
from services.escrow.wallets.service import WalletService

Context = grpc.aio.ServicerContext[Any, Any]

ACCESS = {
    "CreateWallet": allow("orders"),
    # A person reads their own wallet only: the method checks it.
    "GetWallet": allow("gateway", "orders", "operator", scope="read", roles=MARKETPLACE | PEOPLE),
    "GetNetwork": allow("gateway", "orders", "operator", scope="read"),
    "CreateEscrow": allow("orders"),
    "FundEscrow": allow("orders"),
    "CompleteMilestone": allow("orders"),
    "ReleaseEscrow": allow("orders"),
    "RefundEscrow": allow("orders"),
    "FreezeEscrow": allow("orders"),
    "ResolveEscrow": allow("orders"),
    "CreditWallet": allow("orders"),
    "CheckDestination": allow("orders"),
    "Withdraw": allow("orders"),
    "CheckCommand": allow("orders"),
    "GetCommand": allow("orders", "operator"),
    "GetEscrow": allow("orders", "operator", scope="read"),
    "ListTransactions": allow("orders", "operator", scope="read"),
    "ListHoldings": allow("orders", "operator"),
    "ListConcerns": allow("gateway", "operator", scope="read", roles=MARKETPLACE | STAFF),
    "CheckNetwork": allow("operator"),
    "RequeueCommand": allow("operator"),
    "AdoptTransaction": allow("operator"),
    "AbandonCommand": allow("operator"),
    **redirecting.ACCESS,
    "ConfirmChain": allow("operator"),
    "StopFlow": allow("operator"),
    "ResumeFlow": allow("operator"),
    "LimitFlow": allow("operator"),
    "ListFlows": allow("operator"),
    "RewrapKeys": allow("operator"),
}


def binding(
    *,
    escrows: EscrowService,
    wallets: WalletService,
    queries: Queries,
    attention: Attention,
    network: NetworkChecks,
    rulings: Rulings,
    redirects: Redirecting,
    controls: Controls,
    rewrapping: Rewrapping,
) -> Binding:
    """Return the servicer with its allow-list."""
    return Binding(
        servicer=EscrowServicer(
            escrows=escrows,
            wallets=wallets,
            queries=queries,
            attention=attention,
            network=network,
            rulings=rulings,
            redirects=redirects,
            controls=controls,
            rewrapping=rewrapping,
        ),
        add=escrow_pb2_grpc.add_EscrowServiceServicer_to_server,
        descriptor=escrow_pb2.DESCRIPTOR.services_by_name["EscrowService"],
        access=ACCESS,
    )


class EscrowServicer(CheckMethods, RedirectMethods, escrow_pb2_grpc.EscrowServiceServicer):
    """One method for each RPC. The contract in protos/ says what each RPC may refuse."""

    def __init__(
        self,
        *,
        escrows: EscrowService,
        wallets: WalletService,
        queries: Queries,
        attention: Attention,
        network: NetworkChecks,
        rulings: Rulings,
        redirects: Redirecting,
        controls: Controls,
        rewrapping: Rewrapping,
    ) -> None:
        self._escrows = escrows
        self._wallets = wallets
        self._queries = queries
        self._attention = attention
        self._network = network
        self._rulings = rulings
        self._redirects = redirects
        self._controls = controls
        self._rewrapping = rewrapping

    async def CreateWallet(
        self, request: escrow_pb2.CreateWalletRequest, context: Context
    ) -> escrow_pb2.Wallet:
        answer = await self._wallets.create(
            key=request_key(request),
            user_id=uuid.UUID(request.user_id),
            user_public_id=request.user_public_id,
            wait_seconds=request.wait_seconds,
        )
        _mark(answer, context)
        return escrow_pb2.Wallet.FromString(answer.body)

    async def GetWallet(
        self, request: escrow_pb2.GetWalletRequest, context: Context
    ) -> escrow_pb2.Wallet:
        identity.require_self(request.user_id)
        found = await self._queries.wallet(
            marketplace_id=_marketplace(), user_id=uuid.UUID(request.user_id)
        )
        balance = await self._queries.balance(found) if request.with_balances else None
        return wire.wallet(found, balance=balance)

    async def GetNetwork(
        self, request: escrow_pb2.GetNetworkRequest, context: Context
    ) -> escrow_pb2.Network:
        return wire.network(self._queries.network)

    async def CreateEscrow(
        self, request: escrow_pb2.CreateEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        asked = _asked(request, CommandKind.CREATE)
        answer = await self._escrows.create(asked, wire.new_escrow(request))
        return _command(answer, context)

    async def FundEscrow(
        self, request: escrow_pb2.FundEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        return await self._commanded(request, context, CommandKind.FUND, self._escrows.fund)

    async def CompleteMilestone(
        self, request: escrow_pb2.CompleteMilestoneRequest, context: Context
    ) -> escrow_pb2.Command:
        complete = partial(self._escrows.complete_milestone, index=request.milestone)
        return await self._commanded(request, context, CommandKind.COMPLETE_MILESTONE, complete)

    async def ReleaseEscrow(
        self, request: escrow_pb2.ReleaseEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        return await self._commanded(request, context, CommandKind.RELEASE, self._escrows.release)

    async def RefundEscrow(
        self, request: escrow_pb2.RefundEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        return await self._commanded(request, context, CommandKind.REFUND, self._escrows.refund)

    async def FreezeEscrow(
        self, request: escrow_pb2.FreezeEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        return await self._commanded(request, context, CommandKind.FREEZE, self._escrows.freeze)

    async def ResolveEscrow(
        self, request: escrow_pb2.ResolveEscrowRequest, context: Context
    ) -> escrow_pb2.Command:
        resolve = partial(
            self._escrows.resolve,
            seller=money_from_proto(request.seller_share),
            buyer=money_from_proto(request.buyer_share),
        )
        return await self._commanded(request, context, CommandKind.RESOLVE, resolve)

    async def CreditWallet(
        self, request: escrow_pb2.CreditWalletRequest, context: Context
    ) -> escrow_pb2.Command:
        answer = await self._wallets.credit(
            _asked(request, CommandKind.CREDIT_WALLET),
            user_id=uuid.UUID(request.user_id),
            amount=money_from_proto(request.amount),
        )
        return _command(answer, context)

    async def CheckDestination(
        self, request: escrow_pb2.CheckDestinationRequest, context: Context
    ) -> escrow_pb2.CheckDestinationResponse:
        flaw = await self._queries.flaw(
            marketplace_id=_marketplace(),
            user_id=wire.payer(request),
            address=request.destination.address,
            memo=wire.memo(request.destination),
            amount=request.amount.minor_units,
        )
        return escrow_pb2.CheckDestinationResponse(
            why=flaw.value if flaw else "", message=flaw.message if flaw else ""
        )

    async def Withdraw(
        self, request: escrow_pb2.WithdrawRequest, context: Context
    ) -> escrow_pb2.Command:
        answer = await self._wallets.withdraw(
            _asked(request, CommandKind.WITHDRAW),
            user_id=wire.payer(request),
            amount=money_from_proto(request.amount),
            address=request.destination.address,
            memo=wire.memo(request.destination),
        )
        return _command(answer, context)

    async def _commanded(
        self,
        request: Any,
        context: Context,
        kind: CommandKind,
        do: Callable[..., Awaitable[Answer]],
    ) -> escrow_pb2.Command:
        """Ask for a command on the escrow of an order; wait for its end, where that is asked."""
        answer = await do(_asked(request, kind), order_id=uuid.UUID(request.order_id))
        command = _command(answer, context)
        if not request.wait_seconds:
            return command
        return await self._ended(command.id, seconds=request.wait_seconds)

    async def GetCommand(
        self, request: escrow_pb2.GetCommandRequest, context: Context
    ) -> escrow_pb2.Command:
        return await self._ended(request.command_id, seconds=request.wait_seconds)

    async def _ended(self, command_id: str, *, seconds: int) -> escrow_pb2.Command:
        found = await self._queries.command(
            marketplace_id=_marketplace(), command_id=uuid.UUID(command_id), wait_seconds=seconds
        )
        return wire.command(found)

    async def GetEscrow(
        self, request: escrow_pb2.GetEscrowRequest, context: Context
    ) -> escrow_pb2.Escrow:
        found = await self._queries.escrow(
            marketplace_id=_marketplace(), order_id=uuid.UUID(request.order_id)
        )
        return wire.escrow(found)

    async def ListTransactions(
        self, request: escrow_pb2.ListTransactionsRequest, context: Context
    ) -> escrow_pb2.ListTransactionsResponse:
        found = await self._queries.transactions(
            marketplace_id=_marketplace(), order_id=uuid.UUID(request.order_id)
        )
        return escrow_pb2.ListTransactionsResponse(
            transactions=[wire.transaction(row) for row in found]
        )

    async def ListHoldings(
        self, request: escrow_pb2.ListHoldingsRequest, context: Context
    ) -> escrow_pb2.ListHoldingsResponse:
        found = await self._queries.holdings(
            marketplace_id=_marketplace(),
            after=uuid_from_token(request.page.page_token),
            size=page_size(request.page),
        )
        return wire.holdings(found)

    async def ListConcerns(
        self, request: escrow_pb2.ListConcernsRequest, context: Context
    ) -> escrow_pb2.ListConcernsResponse:
        return wire.concerns(await self._attention.concerns(marketplace_id=_marketplace()))

    async def CheckNetwork(
        self, request: escrow_pb2.CheckNetworkRequest, context: Context
    ) -> escrow_pb2.CheckNetworkResponse:
        return wire.findings(await self._network.run())

    async def RequeueCommand(
        self, request: escrow_pb2.RequeueCommandRequest, context: Context
    ) -> escrow_pb2.Command:
        found = await self._attention.requeue(
            marketplace_id=_marketplace(), command_id=uuid.UUID(request.command_id)
        )
        return wire.command(found)

    async def AdoptTransaction(
        self, request: escrow_pb2.AdoptTransactionRequest, context: Context
    ) -> escrow_pb2.Command:
        found = await self._rulings.adopt(
            marketplace_id=_marketplace(),
            command_id=uuid.UUID(request.command_id),
            transaction_hash=request.transaction_hash,
            ruling=_ruling(request),
        )
        return wire.command(found)

    async def AbandonCommand(
        self, request: escrow_pb2.AbandonCommandRequest, context: Context
    ) -> escrow_pb2.Command:
        found = await self._rulings.abandon(
            marketplace_id=_marketplace(),
            command_id=uuid.UUID(request.command_id),
            ruling=_ruling(request),
        )
        return wire.command(found)

    async def ConfirmChain(
        self, request: escrow_pb2.ConfirmChainRequest, context: Context
    ) -> escrow_pb2.ConfirmChainResponse:
        await self._rulings.confirm(_ruling(request))
        return escrow_pb2.ConfirmChainResponse()

    async def StopFlow(
        self, request: escrow_pb2.StopFlowRequest, context: Context
    ) -> escrow_pb2.FlowReport:
        return await self._changed(request, Change.STOP)

    async def ResumeFlow(
        self, request: escrow_pb2.ResumeFlowRequest, context: Context
    ) -> escrow_pb2.FlowReport:
        return await self._changed(request, Change.RESUME)

    async def LimitFlow(
        self, request: escrow_pb2.LimitFlowRequest, context: Context
    ) -> escrow_pb2.FlowReport:
        limit = request.daily_limit.minor_units if request.HasField("daily_limit") else None
        return await self._changed(request, Change.LIMIT, daily_limit=limit)

    async def ListFlows(
        self, request: escrow_pb2.ListFlowsRequest, context: Context
    ) -> escrow_pb2.FlowReport:
        return wire.flow_report(await self._controls.report(marketplace_id=_marketplace()))

    async def RewrapKeys(
        self, request: escrow_pb2.RewrapKeysRequest, context: Context
    ) -> escrow_pb2.RewrapKeysResponse:
        done = await self._rewrapping.page(after=request.after)
        return escrow_pb2.RewrapKeysResponse(
            rewrapped=done.rewrapped,
            unusable=done.unusable,
            next_after=done.following,
            key_id=done.kek_id,
        )

    async def _changed(
        self, request: wire.FlowRequest, change: Change, *, daily_limit: int | None = None
    ) -> escrow_pb2.FlowReport:
        await self._controls.change(
            marketplace_id=None if request.all_marketplaces else _marketplace(),
            flow=wire.flow(request),
            change=change,
            daily_limit=daily_limit,
            reason=request.reason,
        )
        return wire.flow_report(await self._controls.report(marketplace_id=_marketplace()))


def _ruling(request: Any) -> Ruling:
    return Ruling(by=identity.current().principal, why=request.why)


def _marketplace() -> uuid.UUID:
    return identity.current().marketplace_id


def _asked(request: Any, kind: CommandKind) -> Request:
    return Request(key=request_key(request), command_id=uuid.UUID(request.request_id), kind=kind)


def _mark(answer: Answer, context: Context) -> None:
    if answer.replayed:
        context.set_trailing_metadata(((REPLAYED_KEY, "true"),))


def _command(answer: Answer, context: Context) -> escrow_pb2.Command:
    _mark(answer, context)
    return escrow_pb2.Command.FromString(answer.body)
