"""An operator's calls to the services of a deployment about one marketplace, over gRPC."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
from orchestrator.common.v1.common_pb2 import PageRequest
from orchestrator.escrow.v1.escrow_pb2 import (
    AbandonCommandRequest,
    AdoptTransactionRequest,
    ChainTransaction,
    CommandState,
    ConfirmChainRequest,
    FlowReport,
    GetCommandRequest,
    LimitFlowRequest,
    ListConcernsRequest,
    ListFlowsRequest,
    ListHoldingsRequest,
    ListTransactionsRequest,
    RedirectPayoutRequest,
    RequeueCommandRequest,
    ResumeFlowRequest,
    StopFlowRequest,
)
from orchestrator.ledger.v1.corrections_pb2 import (
    VERDICT_UNSPECIFIED,
    Correction,
    DecideCorrectionRequest,
    ListCorrectionsRequest,
    ProposeCorrectionRequest,
    Verdict,
)
from orchestrator.ledger.v1.ledger_pb2 import (
    CheckInvariantsRequest,
    CreditSuspenseRequest,
    GetBalanceRequest,
    InvariantResult,
    ListAccountsRequest,
    ListOpenHoldsRequest,
    ListSuspenseRequest,
    Transfer,
)
from orchestrator.orders.v1.orders_pb2 import (
    GetOrderRequest,
    GiveBackHoldRequest,
    ListOrdersRequest,
    Order,
    OrderState,
)
from orchestrator.orders.v1.withdrawals_pb2 import GetWithdrawalRequest, WithdrawalState

from chassis.channel import RequestT, ResponseT
from chassis.wire import instant_from_proto
from deploy.local.identities import Papers
from deploy.operator.concerns import concerns_in
from deploy.operator.findings import (
    Concerns,
    Holding,
    OrderNow,
    Proposal,
    Redirection,
    Running,
    Suspended,
    WithdrawalNow,
)
from deploy.operator.reach import Services, connected
from kernel.clock import to_milliseconds_text
from kernel.errors import NotFound
from kernel.ids import from_public
from kernel.money import to_text

PAGE_SIZE = 100


class Operator:
    """Calls the services about one marketplace."""

    def __init__(self, *, services: Services, marketplace_id: uuid.UUID) -> None:
        self._services = services
        self._ledger = services.ledger
        self._escrow = services.escrow
        self._marketplace_id = marketplace_id

    @classmethod
    @asynccontextmanager
    async def of(
        cls, *, services: Mapping[str, str], papers: Papers, marketplace_id: uuid.UUID
    ) -> AsyncIterator["Operator"]:
        """Connect. services: addresses by name. papers: the operators' key and certificate."""
        async with connected(services, papers=papers) as opened:
            yield cls(services=opened, marketplace_id=marketplace_id)

    async def invariants(self) -> list[InvariantResult]:
        """Check the ledger's invariants."""
        answer = await self._call(self._ledger.CheckInvariants, CheckInvariantsRequest())
        return list(answer.results)

    async def transactions(self, order_id: uuid.UUID) -> list[ChainTransaction]:
        """List the chain transactions of an order, oldest first."""
        request = ListTransactionsRequest(order_id=str(order_id))
        return list((await self._call(self._escrow.ListTransactions, request)).transactions)

    async def concerns(self) -> Concerns:
        """List what needs an operator in escrow: commands, transfers, changes by others."""
        return concerns_in(await self._call(self._escrow.ListConcerns, ListConcernsRequest()))

    async def requeue(self, command_id: uuid.UUID) -> str:
        """Retry a quarantined or waiting command; returns its state.

        Raises: NotFound; FailedPrecondition: it has ended.
        """
        request = RequeueCommandRequest(command_id=str(command_id))
        answer = await self._call(self._escrow.RequeueCommand, request)
        return CommandState.Name(answer.state).removeprefix("COMMAND_STATE_")

    async def give_back(self, order_id: uuid.UUID, *, reason: str) -> None:
        """Return the money that is still held for a canceled order. A second call changes nothing.

        Raises: NotFound; FailedPrecondition: it is not canceled, or its hold was posted.
        """
        request = GiveBackHoldRequest(order_id=str(order_id), reason=reason)
        await self._call(self._services.orders.GiveBackHold, request)

    async def adopt(self, command_id: uuid.UUID, *, transaction_hash: str, why: str) -> None:
        """Name the transaction with which the step of a stopped command has landed.

        Raises: NotFound; FailedPrecondition: it has ended, or the transaction is another step's.
        """
        request = AdoptTransactionRequest(
            command_id=str(command_id), transaction_hash=transaction_hash, why=why
        )
        await self._call(self._escrow.AdoptTransaction, request)

    async def abandon(self, command_id: uuid.UUID, *, why: str) -> None:
        """End a stopped command if nothing of it has landed.

        Raises: NotFound; FailedPrecondition: it has ended, or has moved money.
        """
        request = AbandonCommandRequest(command_id=str(command_id), why=why)
        await self._call(self._escrow.AbandonCommand, request)

    async def redirect(
        self, order_id: uuid.UUID, *, party: str, address: str, why: str
    ) -> Redirection:
        """Propose to pay a party at another address, or approve another operator's proposal.

        Raises: NotFound; InvalidArgument: a contract cannot pay the address; FailedPrecondition;
            Aborted.
        """
        request = RedirectPayoutRequest(
            order_id=str(order_id), party=f"PAYEE_ROLE_{party}", address=address, why=why
        )
        found = await self._call(self._escrow.RedirectPayout, request)
        return Redirection(
            party=party,
            address=found.address,
            proposed_by=found.proposed_by,
            approved_by=found.approved_by,
            expires_at=found.expires_at.ToJsonString(),
        )

    async def confirm_chain(self, *, why: str) -> None:
        """Let escrow send again, for all marketplaces.

        Raises: FailedPrecondition: sending is not on hold.
        """
        await self._call(self._escrow.ConfirmChain, ConfirmChainRequest(why=why))

    async def ending(self, command_id: uuid.UUID) -> tuple[str, str]:
        """Return the state of a command, and the reason why it ended or stopped.

        Raises: NotFound.
        """
        request = GetCommandRequest(command_id=str(command_id))
        answer = await self._call(self._escrow.GetCommand, request)
        state = CommandState.Name(answer.state).removeprefix("COMMAND_STATE_")
        return state, f"{answer.error_reason} {answer.error_message}".strip()

    async def flows(
        self,
        request: ListFlowsRequest | StopFlowRequest | ResumeFlowRequest | LimitFlowRequest,
    ) -> FlowReport:
        """Stop, resume or limit a flow, or only list; returns all flows with their history."""
        if isinstance(request, StopFlowRequest):
            return await self._call(self._escrow.StopFlow, request)
        if isinstance(request, ResumeFlowRequest):
            return await self._call(self._escrow.ResumeFlow, request)
        if isinstance(request, LimitFlowRequest):
            return await self._call(self._escrow.LimitFlow, request)
        return await self._call(self._escrow.ListFlows, request)

    async def holdings(self) -> list[Holding]:
        """Compare each wallet and contract on chain with its account in the ledger.

        A deposit in suspense counts for the wallet that received it.
        """
        house = await self.house_accounts()
        escrows = {name: held for name, held in house.items() if name.startswith("escrow:")}
        waiting: Counter[tuple[str, str]] = Counter()
        for deposit in await self.suspense():
            waiting[deposit.user_id, deposit.asset] += deposit.minor_units
        holdings = []
        async for page in self._pages(self._escrow.ListHoldings, ListHoldingsRequest()):
            for found in page.holdings:
                kind, _, owner = found.account.partition(":")
                posted = escrows.pop(found.account, 0)
                if kind == "user":
                    posted = await self._user_total(owner, found.balance.asset)
                    posted += waiting[owner, found.balance.asset]
                holdings.append(
                    Holding(
                        account=found.account,
                        ledger=posted,
                        chain=found.balance.minor_units,
                        in_motion=found.in_motion,
                        is_closed=found.is_closed,
                        is_overfunded=found.is_overfunded,
                    )
                )
        # Money that the ledger locks for an order without a contract.
        holdings += [
            Holding(account=name, ledger=balance, chain=0, in_motion=False)
            for name, balance in escrows.items()
        ]
        return holdings

    async def suspense(self) -> list[Suspended]:
        """List the deposits in suspense, oldest first."""
        request = ListSuspenseRequest(only_open=True)
        return [
            Suspended(
                transfer_id=found.transfer.id,
                user_id=found.user_id,
                asset=found.transfer.amount.asset,
                minor_units=found.transfer.amount.minor_units,
                memo=found.memo,
                at=to_milliseconds_text(instant_from_proto(found.transfer.at)),
            )
            async for page in self._pages(self._ledger.ListSuspense, request)
            for found in page.deposits
        ]

    async def credit_suspense(self, transfer_id: str, *, reason: str) -> str:
        """Credit a deposit to the user whose wallet received it; returns the user's UUID.

        Raises: NotFound: there is no such deposit, or the wallet is not a user's.
        """
        request = CreditSuspenseRequest(transfer_id=transfer_id, reason=reason)
        return (await self._call(self._ledger.CreditSuspense, request)).user_id

    async def propose_correction(self, draft: ProposeCorrectionRequest) -> Proposal:
        """Propose a correcting transfer. Raises: NotFound; PermissionDenied: no operator's name."""
        return _proposal(await self._call(self._ledger.ProposeCorrection, draft))

    async def decide_correction(self, correction_id: uuid.UUID, *, verdict: str) -> Proposal:
        """Decide a correction. verdict: APPROVED or REJECTED.

        Raises: NotFound; PermissionDenied: the operator proposed it; FailedPrecondition.
        """
        request = DecideCorrectionRequest(
            correction_id=str(correction_id), verdict=f"VERDICT_{verdict}"
        )
        return _proposal(await self._call(self._ledger.DecideCorrection, request))

    async def corrections(self, *, only_open: bool) -> list[Proposal]:
        """List corrections, oldest first."""
        request = ListCorrectionsRequest(only_open=only_open)
        return [
            _proposal(found)
            async for page in self._pages(self._ledger.ListCorrections, request)
            for found in page.corrections
        ]

    async def open_holds(self) -> list[Transfer]:
        """List the holds that are neither posted nor voided, oldest first."""
        request = ListOpenHoldsRequest()
        return [
            hold
            async for page in self._pages(self._ledger.ListOpenHolds, request)
            for hold in page.holds
        ]

    async def orders_in(self, state: str) -> list[OrderNow]:
        """List the orders in a state."""
        request = ListOrdersRequest(state=f"ORDER_STATE_{state}")
        return [
            _order(order)
            async for page in self._pages(self._services.orders.ListOrders, request)
            for order in page.orders
        ]

    async def order(self, order_id: str) -> OrderNow:
        """Return an order's state and its operation in progress."""
        request = GetOrderRequest(order_id=order_id)
        try:
            return _order(await self._call(self._services.orders.GetOrder, request))
        except NotFound:
            return OrderNow(id=order_id, state="UNKNOWN")

    async def withdrawal(self, public_id: str) -> WithdrawalNow:
        """Return a withdrawal's state. public_id: the id that clients see."""
        found = from_public("wd", public_id)
        if found is None:
            return WithdrawalNow(state="UNKNOWN", in_progress=False)
        request = GetWithdrawalRequest(withdrawal_id=str(found))
        try:
            one = await self._call(self._services.orders.GetWithdrawal, request)
        except NotFound:
            return WithdrawalNow(state="UNKNOWN", in_progress=False)
        state = WithdrawalState.Name(one.state).removeprefix("WITHDRAWAL_STATE_")
        return WithdrawalNow(state=state, in_progress=one.in_progress)

    async def house_accounts(self) -> dict[str, int]:
        """Return the balances of the house accounts by name, in minor units."""
        request = ListAccountsRequest(only_open=True)
        return {
            found.account: found.balance
            async for page in self._pages(self._ledger.ListAccounts, request)
            for found in page.accounts
        }

    async def _user_total(self, user_id: str, asset: str) -> int:
        request = GetBalanceRequest(user_id=user_id, asset=asset)
        try:
            account = await self._call(self._ledger.GetBalance, request)
        except NotFound:  # the wallet is new, and its user has no account yet
            return 0
        return account.available.minor_units + account.reserved.minor_units

    async def _pages(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
    ) -> AsyncIterator[ResponseT]:
        """Yield the pages of a list. request: the request without a page."""
        page: PageRequest = cast("Any", request).page
        page.page_size = PAGE_SIZE
        while True:
            answer = await self._call(method, request)
            yield answer
            page.page_token = cast("Any", answer).next_page_token
            if not page.page_token:
                return

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
    ) -> ResponseT:
        return await self._services.call(method, request, marketplace_id=self._marketplace_id)


def _order(found: Order) -> OrderNow:
    state, now = OrderState.Name(found.state).removeprefix("ORDER_STATE_"), found.operation
    if not found.HasField("operation"):
        return OrderNow(id=found.id, state=state)
    since = to_milliseconds_text(instant_from_proto(now.started_at))
    operation = Running(kind=now.kind, step=now.step, attempts=now.attempts, since=since)
    return OrderNow(id=found.id, state=state, operation=operation)


def _proposal(found: Correction) -> Proposal:
    state = Verdict.Name(found.verdict).removeprefix("VERDICT_")
    if found.verdict == VERDICT_UNSPECIFIED:
        state = "EXPIRED" if found.is_expired else "OPEN"
    amount = f"{to_text(found.amount.minor_units)} {found.amount.asset}"
    return Proposal(
        id=found.id,
        what=f"{amount} from {found.debit_account} to {found.credit_account} ({found.reason})",
        state=state,
        proposed_by=found.proposed_by,
        decided_by=found.decided_by,
        expires_at=to_milliseconds_text(instant_from_proto(found.expires_at)),
        settles=found.settles,
    )
