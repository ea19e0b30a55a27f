"""The five services behind the gateway: channels, stubs, and one function to call them."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from orchestrator.audit.v1 import audit_pb2_grpc
from orchestrator.disputes.v1 import disputes_pb2_grpc
from orchestrator.escrow.v1 import escrow_pb2, escrow_pb2_grpc
from orchestrator.ledger.v1 import ledger_pb2_grpc
from orchestrator.orders.v1 import offers_pb2, orders_pb2, orders_pb2_grpc
from orchestrator.webhooks.v1 import webhooks_pb2_grpc

from chassis import identity
from chassis.channel import Caller, open_channel
from chassis.identity import REPLAYED_KEY, Identity
from chassis.status import Internal
from chassis.telemetry import logger
from gateway.auth import CALLER
from gateway.order_reads import OrderReads
from gateway.settings import GatewaySettings
from kernel.errors import Aborted, DomainError, Unauthenticated

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

READ_SECONDS = 5.0
HEALTH_SECONDS = 2.0
USERS_MAX = 50_000
# The pause between two reads of a running change while the process stops.
AGAIN_SECONDS = 0.2
# Changes about an order that are answered at once, and with an offer instead of the order.
_ANSWERED_WITH_AN_OFFER = (offers_pb2.MakeOfferRequest, offers_pb2.DeclineOfferRequest)
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user's two ids. An id is never reassigned, so the pair can be cached."""

    id: uuid.UUID
    public_id: str


@dataclass(slots=True)
class Reply:
    """Response metadata: whether the response is a replay of a stored one."""

    replayed: bool = field(default=False)


class Backends:
    """Stubs of the services. Open it in the running loop; close it at the end."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._addresses = {
            "orders": settings.orders_address,
            "ledger": settings.ledger_address,
            "escrow": settings.escrow_address,
            "disputes": settings.disputes_address,
            "webhooks": settings.webhooks_address,
        }
        own = settings.certificates()
        self.channels = {
            name: open_channel(at, silence_seconds=settings.silence_seconds, peer=name, own=own)
            for name, at in self._addresses.items()
        }
        self.orders = orders_pb2_grpc.OrdersServiceStub(self.channels["orders"])
        self.ledger = ledger_pb2_grpc.LedgerServiceStub(self.channels["ledger"])
        self.escrow = escrow_pb2_grpc.EscrowServiceStub(self.channels["escrow"])
        self.disputes = disputes_pb2_grpc.DisputesServiceStub(self.channels["disputes"])
        self.webhooks = webhooks_pb2_grpc.WebhooksServiceStub(self.channels["webhooks"])
        # The stubs of the services' audit trails.
        self.audits = {
            name: audit_pb2_grpc.AuditServiceStub(channel)
            for name, channel in self.channels.items()
        }
        self._order_reads = OrderReads(self._order, self._orders)
        self._caller = Caller(settings.signer(caller=CALLER))
        self._users: dict[tuple[uuid.UUID, str], User] = {}
        self._network: escrow_pb2.Network | None = None
        self._waiting: set[asyncio.Future[Any]] = set()
        self._is_stopping = False

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_seconds: float = READ_SECONDS,
        reply: Reply | None = None,
    ) -> ResponseT:
        """Call a service for the identity of the current request.

        reply: receives the response metadata.
        Raises: DomainError: the service's refusal; Unavailable; DeadlineExceeded: unknown outcome.
        """
        try:
            response, trailing = await self._caller.call_with_metadata(
                method, request, timeout_seconds=timeout_seconds
            )
        except Unauthenticated as error:
            # The service refused the gateway's token, not the client's credential.
            log.exception("backend.refused_the_gateway", reason=error.reason)
            raise Internal("A service refused the credentials of the gateway") from None
        except DomainError as error:
            if reply is not None:
                reply.replayed = error.replayed
            raise
        if reply is not None:
            reply.replayed = trailing.get(REPLAYED_KEY) == "true"
        return response

    async def change(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout_seconds: float,
        reply: Reply,
    ) -> ResponseT:
        """Make a change and wait for it. If the process stops first, return the current state.

        Raises: as `call`.
        """
        call = self.call(method, request, timeout_seconds=timeout_seconds, reply=reply)
        waiting = asyncio.ensure_future(call)
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)
        try:
            return await waiting
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._is_stopping or (task is not None and task.cancelling()):
                raise
        return await self._as_it_is(method, request, reply)

    def stop_waiting(self) -> None:
        """Answer every waiting change with its current state, because the process will stop."""
        self._is_stopping = True
        for waiting in self._waiting:
            waiting.cancel()

    async def _as_it_is(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        reply: Reply,
    ) -> ResponseT:
        """Repeat a change without waiting; returns its answer.

        If its operation still runs, the order with the running operation is returned. A repetition
        with the same request id starts nothing twice.
        """
        at_once = type(request)()
        at_once.CopyFrom(request)
        if "wait_seconds" in request.DESCRIPTOR.fields_by_name:
            setattr(at_once, "wait_seconds", 0)  # noqa: B010 - requests that wait have it
        is_about_order = not isinstance(request, _ANSWERED_WITH_AN_OFFER)
        order_id = getattr(request, "order_id", "") if is_about_order else ""
        while True:
            try:
                return await self.call(method, at_once, reply=reply)
            except Aborted:
                if not order_id:
                    raise
            known = orders_pb2.GetOrderRequest(order_id=order_id)
            order: Any = await self.call(self.orders.GetOrder, known)
            if order.HasField("operation"):
                return cast("ResponseT", order)
            await asyncio.sleep(AGAIN_SECONDS)

    async def order(self, order_id: str) -> orders_pb2.Order:
        """Read an order of the caller's marketplace, in one call with other reads of this moment.

        order_id: the order's UUID. Raises: OrderNotFound; as `call`.
        """
        return await self._order_reads.read(order_id)

    async def user(self, text: str) -> User:
        """Return both ids of a user of the caller's marketplace. text: either id.

        Raises: NotFound: USER_NOT_FOUND.
        """
        key = (identity.current().marketplace_id, text)
        known = self._users.get(key)
        if known is not None:
            return known
        found = await self.call(self.orders.GetUser, orders_pb2.GetUserRequest(user=text))
        user = User(id=uuid.UUID(found.id), public_id=found.public_id)
        if len(self._users) >= USERS_MAX:
            self._users.clear()
        self._users[key] = user
        return user

    async def network(self) -> escrow_pb2.Network:
        """Return the network and asset of deposits. They stay the same while the process runs."""
        if self._network is None:
            request = escrow_pb2.GetNetworkRequest()
            # The answer does not depend on the caller, so the gateway calls as itself.
            own = identity.system(caller=CALLER, marketplace_id=identity.current().marketplace_id)
            with identity.acting_as(own):
                self._network = await self.call(self.escrow.GetNetwork, request)
        return self._network

    async def health(self) -> dict[str, bool]:
        """Return whether each service is ready. An unavailable service is not ready."""
        names = list(self.channels)
        ready = await asyncio.gather(*(self._is_ready(name) for name in names))
        return dict(zip(names, ready, strict=True))

    async def close(self) -> None:
        """Close the channels. Calls in flight get one second to end."""
        await asyncio.gather(*(channel.close(grace=1) for channel in self.channels.values()))

    async def _order(self, order_id: str) -> orders_pb2.Order:
        request = orders_pb2.GetOrderRequest(order_id=order_id)
        return await self.call(self.orders.GetOrder, request)

    async def _orders(self, order_ids: Sequence[str]) -> Sequence[orders_pb2.Order]:
        request = orders_pb2.GetOrdersRequest(order_ids=order_ids)
        return (await self.call(self.orders.GetOrders, request)).orders

    async def _is_ready(self, name: str) -> bool:
        stub = health_pb2_grpc.HealthStub(self.channels[name])
        request = health_pb2.HealthCheckRequest()
        try:
            answer = await stub.Check(request, timeout=HEALTH_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def bind(who: Identity, *, request_id: str, address: str = "") -> None:
    """Set the identity, request id and client address for the calls of this task."""
    identity.bind(who, request_id=request_id, address=address)
