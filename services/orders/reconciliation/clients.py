"""The gRPC clients of ledger and escrow that reconciliation uses."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from orchestrator.common.v1 import common_pb2
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from chassis.channel import Caller
from kernel.errors import NotFound
from services.orders.reconciliation.holdings import ESCROW, Holding

PAGE_SIZE = 50
SUSPENSE_PAGE_SIZE, SUSPENSE_PAGES_MAX = 100, 5
# The timeout of a call that reads live balances from the chain.
CHAIN_SECONDS = 30.0


class Balances:
    """The client of the ledger."""

    def __init__(self, stub: ledger_pb2_grpc.LedgerServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def balances(self, accounts: Collection[str]) -> Mapping[str, int]:
        """Return the balances of accounts; accounts that do not exist are left out."""
        request = ledger_pb2.ListAccountsRequest(accounts=list(accounts))
        answer = await self._caller.call(self._stub.ListAccounts, request)
        return {one.account: one.balance for one in answer.accounts}

    async def locked(self, *, page_token: str) -> tuple[Mapping[str, int], str]:
        """Return a page of the nonempty escrow accounts, and the next page's token."""
        page = common_pb2.PageRequest(page_size=PAGE_SIZE, page_token=page_token)
        request = ledger_pb2.ListAccountsRequest(only_open=True, page=page)
        answer = await self._caller.call(self._stub.ListAccounts, request)
        locked = {
            one.account: one.balance for one in answer.accounts if one.account.startswith(ESCROW)
        }
        return locked, answer.next_page_token

    async def in_suspense(self) -> Mapping[str, int] | None:
        """Sum the deposits in suspense for each user's account; None: there are too many."""
        waiting: Counter[str] = Counter()
        token = ""
        for _ in range(SUSPENSE_PAGES_MAX):
            page = common_pb2.PageRequest(page_size=SUSPENSE_PAGE_SIZE, page_token=token)
            request = ledger_pb2.ListSuspenseRequest(only_open=True, page=page)
            answer = await self._caller.call(self._stub.ListSuspense, request)
            for found in answer.deposits:
                waiting[f"user:{found.user_id}"] += found.transfer.amount.minor_units
            token = answer.next_page_token
            if not token:
                return waiting
        return None


class Holders:
    """The client of escrow: wallets and contracts."""

    def __init__(self, stub: escrow_pb2_grpc.EscrowServiceStub, caller: Caller) -> None:
        self._stub = stub
        self._caller = caller

    async def holdings(self, *, page_token: str) -> tuple[Sequence[Holding], str]:
        """Return a page of wallets and contracts with live balances, and the next page's token."""
        page = common_pb2.PageRequest(page_size=PAGE_SIZE, page_token=page_token)
        request = escrow_pb2.ListHoldingsRequest(page=page)
        answer = await self._caller.call(
            self._stub.ListHoldings, request, timeout_seconds=CHAIN_SECONDS
        )
        holdings = [
            Holding(
                account=found.account,
                chain=found.balance.minor_units,
                is_busy=found.in_motion,
                is_closed=found.is_closed,
                is_overfunded=found.is_overfunded,
            )
            for found in answer.holdings
        ]
        return holdings, answer.next_page_token

    async def has_contract(self, order_id: str) -> bool:
        """Tell whether an order has a contract that may hold money."""
        request = escrow_pb2.GetEscrowRequest(order_id=order_id)
        try:
            found = await self._caller.call(self._stub.GetEscrow, request)
        except NotFound:
            return False
        return found.state != escrow_pb2.ESCROW_STATE_FAILED
