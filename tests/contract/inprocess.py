"""grpcio-testing for aio servicers: an adapter that awaits, behind the server's interceptor.

Without it, grpcio-testing answers OK with an unawaited coroutine, and runs no interceptor.
Source: grpc/grpc#24942.
"""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc_testing
from google.protobuf.message import Message
from google.rpc import status_pb2

from chassis.identity import METADATA_KEY, REPLAYED_KEY, Identity
from chassis.interceptors import Interceptor
from chassis.server import Binding
from chassis.status import from_status
from kernel.errors import DomainError
from tests.identities import signer, verifier

STATUS_KEY = "grpc-status-details-bin"


class _Aborted(Exception):
    """Ends a method, like `abort` on a real server."""


class _Context:
    """grpcio-testing's context with the coroutines of an aio context."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def abort_with_status(self, status: Any) -> None:
        # The context's own abort would lose the metadata that carries the details.
        self._context.set_trailing_metadata(status.trailing_metadata)
        self._context.set_code(status.code)
        self._context.set_details(status.details)
        raise _Aborted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Details:
    method: str


class InProcess:
    """A transport without a socket: grpcio-testing's server, the methods on the test's loop."""

    def __init__(self, binding: Binding) -> None:
        """Adapt a servicer; needs the running loop."""
        self._descriptor = binding.descriptor
        self._loop = asyncio.get_running_loop()
        name = binding.descriptor.full_name
        access = {f"/{name}/{method}": who for method, who in binding.access.items()}
        self._interceptor = Interceptor(
            verifier=verifier(), access=access, guarded=frozenset({name})
        )
        methods = {
            method.name: staticmethod(self._adapted(method, binding.servicer))
            for method in binding.descriptor.methods
        }
        servicer = type(f"Sync{binding.descriptor.name}", (), methods)()
        self._server = grpc_testing.server_from_dictionary(
            {binding.descriptor: servicer}, grpc_testing.strict_real_time()
        )

    def _adapted(self, method: Any, servicer: Any) -> Callable[[Message, Any], Any]:
        handler: Any = grpc.unary_unary_rpc_method_handler(getattr(servicer, method.name))
        details = _Details(method=f"/{method.containing_service.full_name}/{method.name}")

        async def unchanged(_: _Details) -> Any:
            return handler

        async def serve(request: Message, context: _Context) -> Any:
            wrapped = await self._interceptor.intercept_service(unchanged, details)
            try:
                return await wrapped.unary_unary(request, context)
            except _Aborted:
                return None

        def call(request: Message, context: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                raise RuntimeError("a method was called on the loop's own thread")
            pending = asyncio.run_coroutine_threadsafe(
                serve(request, _Context(context)), self._loop
            )
            return pending.result()

        return call

    async def exchange(
        self, method: str, request: Message, *, who: Identity, timeout_seconds: float
    ) -> tuple[Any, bool]:
        """Call through grpcio-testing; request and response are serialized."""
        token = signer(who.caller).token(who)
        descriptor = self._descriptor.methods_by_name[method]
        sent = type(request).FromString(request.SerializeToString())

        def invoke() -> tuple[Any, Any, grpc.StatusCode, str]:
            rpc = self._server.invoke_unary_unary(
                descriptor, ((METADATA_KEY, token),), sent, timeout_seconds
            )
            ended: tuple[Any, Any, grpc.StatusCode, str] = rpc.termination()
            return ended

        response, metadata, code, details = await asyncio.to_thread(invoke)
        trailing = dict(metadata)
        if code is not grpc.StatusCode.OK:
            raise _refusal(trailing, code, details)
        if not isinstance(response, Message):
            raise TypeError(f"{method} answered {type(response).__name__}, no message")
        return type(response).FromString(response.SerializeToString()), (
            trailing.get(REPLAYED_KEY) == "true"
        )


def _refusal(trailing: dict[str, Any], code: grpc.StatusCode, details: str) -> DomainError:
    packed = trailing.get(STATUS_KEY)
    if packed is None:
        raise AssertionError(f"{code.name} without details: {details}")
    status = status_pb2.Status.FromString(packed)
    if grpc.StatusCode[from_status(status).kind] is not code:
        raise AssertionError(f"{code.name} with the details of another kind")
    refusal = from_status(status)
    refusal.replayed = trailing.get(REPLAYED_KEY) == "true"
    return refusal
