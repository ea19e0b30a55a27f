"""The operator's view of a running stack over gRPC: invariants, holdings, what needs a look."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
from orchestrator.common.v1.common_pb2 import PageRequest
from orchestrator.escrow.v1.escrow_pb2 import (
    CommandKind,
    CommandState,
    ListConcernsRequest,
    ListHoldingsRequest,
    ListTransactionsRequest,
    RequeueCommandRequest,
)
from orchestrator.escrow.v1.escrow_pb2_grpc import EscrowServiceStub
from orchestrator.ledger.v1.ledger_pb2 import (
    CheckInvariantsRequest,
    CreditSuspenseRequest,
    GetBalanceRequest,
    ListAccountsRequest,
    ListSuspenseRequest,
)
from orchestrator.ledger.v1.ledger_pb2_grpc import LedgerServiceStub

from chassis.channel import Caller, RequestT, ResponseT, open_channel
from chassis.identity import Signer, system
from chassis.wire import instant_from_proto
from kernel.clock import to_milliseconds_text
from kernel.errors import Unavailable
from kernel.money import to_text

CALLER = "operator"
PAGE_SIZE = 100
# Balances are read live from the chain, one after the other.
TIMEOUT_SECONDS = 60.0
# A service that is being started again is waited for.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One promise of the ledger, and whether it holds."""

    name: str
    holds: bool
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One account on both sides, in minor units.

    in_motion: a command is under way on it. is_closed: it is a contract that has paid out.
    """

    account: str
    ledger: int
    chain: int
    in_motion: bool
    is_closed: bool = False

    @property
    def differs(self) -> bool:
        """Tell whether the two sides differ with nothing under way, and not by a surplus."""
        return self.ledger != self.chain and not self.in_motion and not self.is_surplus

    @property
    def is_surplus(self) -> bool:
        """Tell money that strangers sent to a contract, which anybody can do, from a difference.

        Of a contract that has paid out, the ledger has nothing left; of one that has not, it has
        booked all that was funded. A contract whose funding is not booked is no surplus.
        """
        is_all_booked = (self.ledger == 0) if self.is_closed else (self.ledger > 0)
        return self.account.startswith("escrow:") and self.chain > self.ledger and is_all_booked

    def describe(self) -> str:
        """Say both sides."""
        return f"{self.account}: ledger {to_text(self.ledger)}, chain {to_text(self.chain)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A deposit in suspense; amount in minor units. user_id: whose wallet has it, or empty."""

    transfer_id: str
    user_id: str
    asset: str
    minor_units: int
    memo: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransaction:
    """A transaction of an order: its contract function, hash and state."""

    name: str
    hash: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckCommand:
    """A command of escrow that is quarantined, waits or runs for long. since: ISO 8601."""

    id: str
    kind: str
    state: str
    step: str
    account: str
    why: str
    since: str

    def describe(self) -> str:
        """Say what it is, where it stopped and why."""
        return f"{self.kind} {self.id} of {self.account} at {self.step}, {self.since}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAside:
    """A transfer from outside whose record was refused."""

    transaction_hash: str
    to_address: str
    why: str

    def describe(self) -> str:
        """Say which it is, and why."""
        return f"{self.transaction_hash} to {self.to_address or 'an unknown address'}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerns:
    """What escrow wants an operator to look at."""

    commands: Sequence[StuckCommand]
    transfers: Sequence[TransferAside]

    @property
    def quarantined(self) -> list[StuckCommand]:
        """Pick the commands that go on only when an operator says so."""
        return [found for found in self.commands if found.state == "QUARANTINED"]


class Operator:
    """Asks the ledger and escrow about one marketplace."""

    def __init__(
        self,
        *,
        caller: Caller,
        ledger: LedgerServiceStub,
        escrow: EscrowServiceStub,
        marketplace_id: uuid.UUID,
    ) -> None:
        self._caller = caller
        self._ledger = ledger
        self._escrow = escrow
        self._who = system(caller=CALLER, marketplace_id=marketplace_id)

    @classmethod
    @asynccontextmanager
    async def of(
        cls, *, services: Mapping[str, str], secret: str, marketplace_id: uuid.UUID
    ) -> AsyncIterator["Operator"]:
        """Connect. services: address by name; secret: the SERVICE_SECRET of the stack."""
        async with (
            open_channel(services["ledger"]) as ledger,
            open_channel(services["escrow"]) as escrow,
        ):
            yield cls(
                caller=Caller(Signer(secret=secret, caller=CALLER)),
                ledger=LedgerServiceStub(ledger),
                escrow=EscrowServiceStub(escrow),
                marketplace_id=marketplace_id,
            )

    async def invariants(self) -> list[Invariant]:
        """Check the ledger's invariants."""
        answer = await self._call(self._ledger.CheckInvariants, CheckInvariantsRequest())
        return [
            Invariant(name=result.name, holds=result.holds, details=result.details)
            for result in answer.results
        ]

    async def transactions(self, order_id: uuid.UUID) -> list[ChainTransaction]:
        """List the chain transactions of an order, oldest first."""
        request = ListTransactionsRequest(order_id=str(order_id))
        answer = await self._call(self._escrow.ListTransactions, request)
        return [
            ChainTransaction(name=found.name, hash=found.hash, state=found.state)
            for found in answer.transactions
        ]

    async def concerns(self) -> Concerns:
        """List commands that are quarantined or wait, and transfers that were put aside."""
        answer = await self._call(self._escrow.ListConcerns, ListConcernsRequest())
        commands = [
            StuckCommand(
                id=found.id,
                kind=CommandKind.Name(found.kind).removeprefix("COMMAND_KIND_"),
                state=CommandState.Name(found.state).removeprefix("COMMAND_STATE_"),
                step=found.step,
                account=found.account,
                why=f"{found.reason} {found.message}".strip(),
                since=found.since.ToJsonString(),
            )
            for found in answer.commands
        ]
        transfers = [
            TransferAside(
                transaction_hash=found.transaction_hash,
                to_address=found.to_address,
                why=found.why,
            )
            for found in answer.transfers
        ]
        return Concerns(commands=commands, transfers=transfers)

    async def requeue(self, command_id: uuid.UUID) -> str:
        """Set a quarantined or waiting command going; returns its state.

        Raises: NotFound; FailedPrecondition: it has ended.
        """
        request = RequeueCommandRequest(command_id=str(command_id))
        answer = await self._call(self._escrow.RequeueCommand, request)
        return CommandState.Name(answer.state).removeprefix("COMMAND_STATE_")

    async def holdings(self) -> list[Holding]:
        """Compare every wallet and contract on chain with its ledger account.

        What is in suspense is in the wallet that it reached.
        """
        escrows = await self._escrow_accounts()
        waiting: Counter[tuple[str, str]] = Counter()
        for deposit in await self.suspense():
            waiting[deposit.user_id, deposit.asset] += deposit.minor_units
        holdings = []
        token = ""
        while True:
            page = PageRequest(page_size=PAGE_SIZE, page_token=token)
            answer = await self._call(self._escrow.ListHoldings, ListHoldingsRequest(page=page))
            for found in answer.holdings:
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
                    )
                )
            token = answer.next_page_token
            if not token:
                break
        # What the ledger says is locked, and no contract holds.
        holdings += [
            Holding(account=name, ledger=balance, chain=0, in_motion=False)
            for name, balance in escrows.items()
        ]
        return holdings

    async def suspense(self) -> list[Suspended]:
        """List the deposits in suspense, oldest first."""
        deposits: list[Suspended] = []
        token = ""
        while True:
            page = PageRequest(page_size=PAGE_SIZE, page_token=token)
            request = ListSuspenseRequest(only_open=True, page=page)
            answer = await self._call(self._ledger.ListSuspense, request)
            deposits += [
                Suspended(
                    transfer_id=found.transfer.id,
                    user_id=found.user_id,
                    asset=found.transfer.amount.asset,
                    minor_units=found.transfer.amount.minor_units,
                    memo=found.memo,
                    at=to_milliseconds_text(instant_from_proto(found.transfer.at)),
                )
                for found in answer.deposits
            ]
            token = answer.next_page_token
            if not token:
                return deposits

    async def credit_suspense(self, transfer_id: str, *, reason: str) -> str:
        """Credit a deposit in suspense to the user whose wallet has it; returns the user's UUID.

        Raises: NotFound: there is no such deposit, or the wallet is no user's.
        """
        request = CreditSuspenseRequest(transfer_id=transfer_id, reason=reason)
        answer = await self._call(self._ledger.CreditSuspense, request)
        return answer.user_id

    async def _escrow_accounts(self) -> dict[str, int]:
        balances: dict[str, int] = {}
        token = ""
        while True:
            page = PageRequest(page_size=PAGE_SIZE, page_token=token)
            request = ListAccountsRequest(only_open=True, page=page)
            answer = await self._call(self._ledger.ListAccounts, request)
            for found in answer.accounts:
                if found.account.startswith("escrow:"):
                    balances[found.account] = found.balance
            token = answer.next_page_token
            if not token:
                return balances

    async def _user_total(self, user_id: str, asset: str) -> int:
        request = GetBalanceRequest(user_id=user_id, asset=asset)
        account = await self._call(self._ledger.GetBalance, request)
        return account.available.minor_units + account.reserved.minor_units

    async def _call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
    ) -> ResponseT:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await self._caller.call(
                    method, request, who=self._who, timeout_seconds=TIMEOUT_SECONDS
                )
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
