"""Connections to a deployment's services, and calls to them in the operator's name."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
from orchestrator.escrow.v1.escrow_pb2_grpc import EscrowServiceStub
from orchestrator.ledger.v1.ledger_pb2_grpc import LedgerServiceStub
from orchestrator.orders.v1.orders_pb2_grpc import OrdersServiceStub

from chassis import identity
from chassis.channel import Caller, RequestT, ResponseT, open_channel
from chassis.identity import OPERATOR, Signer
from deploy.local.identities import Papers
from kernel.errors import Unavailable

# A long limit: balances are read live from the chain, one after another.
TIMEOUT_SECONDS = 60.0
# How long to wait for a service that restarts.
PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.2


@dataclass(slots=True, kw_only=True)
class Services:
    """The services that an operator calls. name: the operator's name, or ""."""

    orders: OrdersServiceStub
    ledger: LedgerServiceStub
    escrow: EscrowServiceStub
    caller: Caller
    name: str
    # Since when a service is unavailable (monotonic clock). The wait for it happens once, not once
    # per marketplace.
    _unavailable_since: float | None = field(default=None, init=False)

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        marketplace_id: uuid.UUID,
    ) -> ResponseT:
        """Call for a marketplace. While the service is unavailable, retry for PATIENCE_SECONDS.

        Raises: DomainError with the service's kind and reason; Unavailable.
        """
        while True:
            try:
                answer = await self.once(method, request, marketplace_id=marketplace_id)
            except Unavailable:
                now = time.monotonic()
                self._unavailable_since = self._unavailable_since or now
                if now - self._unavailable_since > PATIENCE_SECONDS:
                    raise
            else:
                self._unavailable_since = None
                return answer
            await asyncio.sleep(PAUSE_SECONDS)

    async def once(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        marketplace_id: uuid.UUID,
    ) -> ResponseT:
        """Call for a marketplace, once. Raises: DomainError; Unavailable."""
        who = identity.operator(name=self.name, marketplace_id=marketplace_id)
        return await self.caller.call(method, request, who=who, timeout_seconds=TIMEOUT_SECONDS)


@asynccontextmanager
async def connected(
    services: Mapping[str, str], *, papers: Papers, name: str = ""
) -> AsyncIterator[Services]:
    """Open channels to services by name.

    papers: the operators' key and certificate. name: the operator's own name.
    """
    async with (
        open_channel(services["orders"], peer="orders", own=papers.own) as orders,
        open_channel(services["ledger"], peer="ledger", own=papers.own) as ledger,
        open_channel(services["escrow"], peer="escrow", own=papers.own) as escrow,
    ):
        yield Services(
            orders=OrdersServiceStub(orders),
            ledger=LedgerServiceStub(ledger),
            escrow=EscrowServiceStub(escrow),
            caller=Caller(Signer(key=lambda: papers.key, caller=OPERATOR)),
            name=name,
        )
