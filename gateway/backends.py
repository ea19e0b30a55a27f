"""The five services behind the gateway: channels, stubs, and one way to call them."""

import asyncio
import uuid
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
from gateway.settings import GatewaySettings
from kernel.errors import Aborted, DomainError, Unauthenticated

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

READ_SECONDS = 5.0
HEALTH_SECONDS = 2.0
USERS_MAX = 50_000
# Between two reads of a running change, when the process stops.
AGAIN_SECONDS = 0.2
# Changes about an order that are answered with something else, at once.
_ANSWERED_WITH_AN_OFFER = (offers_pb2.MakeOfferRequest, offers_pb2.DeclineOfferRequest)
log = logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user's two ids. An id is never given to another user, so it can be cached."""

    id: uuid.UUID
    public_id: str


@dataclass(slots=True)
class Reply:
    """What came with an answer: whether it is a stored one."""

    replayed: bool = field(default=False)


class Backends:
    """Stubs of the services. Open it in the running loop, close it at the end."""

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
        # The audit trail of each.
        self.audits = {
            name: audit_pb2_grpc.AuditServiceStub(channel)
            for name, channel in self.channels.items()
        }
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
        """Call for the identity of the request being served.

        Raises: DomainError as the service refused; Unavailable; DeadlineExceeded: unknown outcome.
        """
        try:
            response, done = await self._caller.call_with_metadata(
                method, request, timeout_seconds=timeout_seconds
            )
        except Unauthenticated as error:
            # The service refused our token, not the client's credential.
            log.exception("backend.refused_the_gateway", reason=error.reason)
            raise Internal("A service refused the credentials of the gateway") from None
        except DomainError as error:
            if reply is not None:
                reply.replayed = error.replayed
            raise
        if reply is not None:
            trailing = dict(await done.trailing_metadata() or ())
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
        """Make a change and wait for it; when the process stops, return its state at that moment.

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
        """Answer every waiting change with its current state: the process is about to stop."""
        self._is_stopping = True
        for waiting in self._waiting:
            waiting.cancel()

    async def _as_it_is(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        reply: Reply,
    ) -> ResponseT:
        """Repeat a change without waiting: it has ended, or its order has a running operation.

        A repetition under the same request id starts nothing twice.
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

    async def user(self, text: str) -> User:
        """Return both ids of a user of the caller's marketplace, found by either.

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
        """Return the network and asset of deposits, which do not change while the process runs."""
        if self._network is None:
            request = escrow_pb2.GetNetworkRequest()
            # It is the same for everybody, so the gateway asks for itself.
            own = identity.system(caller=CALLER, marketplace_id=identity.current().marketplace_id)
            with identity.acting_as(own):
                self._network = await self.call(self.escrow.GetNetwork, request)
        return self._network

    async def health(self) -> dict[str, bool]:
        """Ask every service whether it is ready; one that is unavailable is not."""
        names = list(self.channels)
        ready = await asyncio.gather(*(self._is_ready(name) for name in names))
        return dict(zip(names, ready, strict=True))

    async def close(self) -> None:
        """Close the channels; calls in flight get a second to end."""
        await asyncio.gather(*(channel.close(grace=1) for channel in self.channels.values()))

    async def _is_ready(self, name: str) -> bool:
        stub = health_pb2_grpc.HealthStub(self.channels[name])
        request = health_pb2.HealthCheckRequest()
        try:
            answer = await stub.Check(request, timeout=HEALTH_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def bind(who: Identity, *, request_id: str, address: str = "") -> None:
    """Make the calls of this task with the given identity. address: the client's."""
    identity.bind(who, request_id=request_id, address=address)
