"""The gRPC server: health checks, reflection, graceful stop, limits on what a client may send."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from orchestrator.bundle.v1 import bundle_pb2_grpc

from chassis.addresses import joined
from chassis.bundle_servicer import BundleServicer
from chassis.identity import Access, Verifier
from chassis.interceptors import Interceptor
from chassis.tls import Certificates, server_credentials

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# The name of the liveness check. It never depends on the database or the bus.
LIVENESS = "liveness"
MAX_MESSAGE_BYTES = 1024 * 1024
# The default limit of concurrent calls.
CALLS_MAX = 1000
WALL, HEALTH_CALLS = 2, 100
# The work of disconnected clients may take at least this long, even if the grace period is over.
LEAST_DRAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A servicer, the generated function that adds it, and the access rights of its methods.

    descriptor: the service's descriptor. access: method name ("CreateOrder") → right.
    """

    servicer: Any
    add: Callable[[Any, grpc.aio.Server], None]
    descriptor: Any
    access: Mapping[str, Access]


class Server:
    """A gRPC server of one service."""

    def __init__(
        self,
        *,
        binding: Binding,
        verifier: Verifier,
        with_reflection: bool,
        calls_max: int = CALLS_MAX,
        own: Certificates | None = None,
        also: Sequence[Binding] = (),
    ) -> None:
        """Build the server; `start` makes it listen.

        also: other bindings to serve. calls_max: the limit of concurrent calls. own: the server's
        certificate: it serves only over TLS, and only clients with a certificate. None: no TLS.
        """
        self._own = own
        self.name: str = binding.descriptor.full_name
        served = {each.descriptor.full_name: each for each in (binding, *also)}
        self._interceptor = Interceptor(
            verifier=verifier,
            access={
                f"/{name}/{method}": who
                for name, each in served.items()
                for method, who in each.access.items()
            },
            guarded=frozenset(served),
            calls_max=calls_max,
            with_tls=own is not None,
        )
        self._server = grpc.aio.server(
            interceptors=[self._interceptor],
            options=_OPTIONS,
            # A second limit above the interceptor's. It also counts health checks, and calls whose
            # request has not arrived yet.
            maximum_concurrent_rpcs=WALL * calls_max + HEALTH_CALLS,
        )
        methods = _FoundByName(self._server)
        for each in served.values():
            each.add(each.servicer, cast("grpc.aio.Server", methods))
        bundles = BundleServicer(partial(_guarded, methods, self._interceptor))
        bundle_pb2_grpc.add_BundleServiceServicer_to_server(
            bundles, cast("grpc.aio.Server", methods)
        )
        self._health = health_aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._probed: grpc.aio.Server | None = None
        if with_reflection:
            names = (*served, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self, *, host: str, port: int) -> int:
        """Listen, alive but not ready; returns the port. Raises: OSError: the port is taken.

        host: a name or an address, IPv6 without brackets.
        """
        bound = _listen(self._server, joined(host, port), own=self._own)
        await self._health.set(LIVENESS, SERVING)
        await self.set_ready(ready=False)
        await self._server.start()
        return bound

    async def start_probes(self, *, host: str, port: int) -> int:
        """Answer only health checks on another port, without TLS; returns the port.

        A kubelet cannot present a certificate. Raises: OSError: the port is taken.
        """
        self._probed = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=HEALTH_CALLS)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probed)
        bound = _listen(self._probed, joined(host, port), own=None)
        await self._probed.start()
        return bound

    async def set_ready(self, *, ready: bool) -> None:
        """Set the result of the readiness check."""
        status = SERVING if ready else NOT_SERVING
        await self._health.set("", status)
        await self._health.set(self.name, status)

    def refuse_calls(self, why: str) -> None:
        """Refuse every call except health checks as Unavailable; an empty text: serve again."""
        self._interceptor.refusal = why

    async def stop(self, *, grace_seconds: float) -> None:
        """Refuse new calls; wait for calls in flight and for the work of disconnected clients.

        Calls that take longer than the grace period are cancelled. Every change can be retried.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + grace_seconds
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)
        await self._interceptor.drain(seconds=max(until - clock(), LEAST_DRAIN_SECONDS))
        if self._probed is not None:
            await self._probed.stop(None)


class _FoundByName:
    """Passes generic handlers to a gRPC server, which then resolves methods by name at each call.

    Registered methods are slower: gRPC waits for calls of each registered method separately, and
    checks all of them at every call.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self._handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Pass handlers on, and keep them for `find`."""
        self._handlers += handlers
        self._server.add_generic_rpc_handlers(tuple(handlers))

    def add_registered_method_handlers(self, *_: object) -> None:
        """Do nothing: the generic handlers have the same methods."""

    def find(self, name: str) -> Any:
        """Return the handler of a method; None: there is none. name: "/package.Service/Method"."""
        details = cast("grpc.HandlerCallDetails", _Details(method=name))
        found = (handler.service(details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


class _Details(NamedTuple):  # what a generic handler reads
    method: str


def _guarded(methods: _FoundByName, interceptor: Interceptor, name: str) -> Any:
    """Return the guarded handler of a method for a bundle; None: there is none.

    Bundles carry only methods with one request and one response, so no bundles.
    """
    handler = interceptor.wrapped(name, methods.find(name))
    return None if handler is None or handler.unary_unary is None else handler


def _listen(server: grpc.aio.Server, place: str, *, own: Certificates | None) -> int:
    """Listen on a port. Raises: OSError: the port is taken."""
    try:
        if own is None:
            return server.add_insecure_port(place)
        return server.add_secure_port(place, server_credentials(own))
    except RuntimeError as error:
        raise OSError(f"cannot listen on {place}") from error


_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_concurrent_streams", 1000),
    # If another server uses the port, report an error. Otherwise the two would share the calls.
    ("grpc.so_reuseport", 0),
    # Clients with round_robin find new replicas only when a connection ends.
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    # Clients may ping at any interval that they are configured with, without being disconnected.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    # The server pings clients too, so that the streams of a vanished client end.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
]
