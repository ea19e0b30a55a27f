"""The server side of every call: identity, rights, time left, validation; then errors and the log.

All of it is one interceptor, because each aio interceptor costs one task per call.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import grpc
import protovalidate
from google.protobuf.message import DecodeError, Message
from grpc_status import rpc_status

from chassis import deadline, identity, metrics, tracing
from chassis.identity import OPERATOR, REPLAYED_KEY, ROLE_SYSTEM, Access, Identity, Verifier
from chassis.status import Internal, to_status
from chassis.telemetry import logger
from chassis.tls import peer_of
from chassis.trust import Grant
from kernel.errors import (
    DeadlineExceeded,
    DomainError,
    InvalidArgument,
    PermissionDenied,
    Unavailable,
)

Context = grpc.aio.ServicerContext[Any, Any]
Method = Callable[[Any, Context], Awaitable[Any]]
Read = Callable[[bytes], Message]
# A call with less time left is refused before any work.
LEAST_SECONDS = 0.1
# Prefixes of the names of methods that change nothing.
READING = ("Get", "List", "Check")
# Tells a channel not to retry automatically (gRPC's retry design, "pushback").
DO_NOT_RETRY = ("grpc-retry-pushback-ms", "-1")
log = logger()


class CallerNotAllowed(PermissionDenied):
    """The allow-list does not permit this caller or this role."""

    reason = "CALLER_NOT_ALLOWED"


class InsufficientScope(PermissionDenied):
    """The principal's scopes do not cover the call."""

    reason = "INSUFFICIENT_SCOPE"


class TooManyCalls(Unavailable):
    """The service has reached its limit of concurrent calls; nothing was begun."""

    # A retry would only add to the load.
    is_final = True


class _Status(NamedTuple):  # the fields of grpc.Status, with our metadata added
    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps the methods on the allow-list. Other services (health, reflection) are not wrapped."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        access: Mapping[str, Access],
        guarded: frozenset[str],
        calls_max: int = 1000,
        with_tls: bool = False,
    ) -> None:
        """Take the allow-list ("/package.Service/Method" → rights) and the services it guards.

        calls_max: the limit of concurrent calls, including the work of disconnected clients.
        with_tls: the caller must be the program that the connection's certificate names.
        """
        self._with_tls = with_tls
        self._verifier = verifier
        self._access = access
        self._guarded = guarded
        # The reason why every call is refused; empty: calls are served.
        self.refusal = ""
        self._handlers: dict[str, Any] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self._calls_max = calls_max
        self._serving = 0

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """Return the handler of a method. Each handler is wrapped once."""
        name = handler_call_details.method
        if name.split("/")[1] not in self._guarded:
            return await continuation(handler_call_details)
        known = self._handlers.get(name)
        if known is not None:
            return known
        return self.wrapped(name, await continuation(handler_call_details))

    def wrapped(self, name: str, handler: Any) -> Any:
        """Return the wrapped handler of a guarded method; None: there is no handler."""
        if name in self._handlers:
            return self._handlers[name]
        if handler is None or handler.unary_unary is None:
            return handler
        # `_wrap` parses the request itself, after it has identified the caller.
        wrapped: Any = grpc.unary_unary_rpc_method_handler(
            self._wrap(name, handler.unary_unary, handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )
        self._handlers[name] = wrapped
        return wrapped

    async def drain(self, *, seconds: float) -> None:
        """Wait for the work of disconnected clients; cancel it after the time limit.

        Each change is then either complete or not begun, so a retry is safe.
        """
        running = set(self._running)
        if running:
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                log.warning("rpc.cut_short", task=task.get_name())
                task.cancel()

    def _wrap(self, name: str, method: Method, read: Read | None) -> Method:
        access = self._access.get(name)
        run = method if access is not None and access.hands_over else self._guarding(method)
        attributes = {"rpc.system.name": "grpc", "rpc.method": name.removeprefix("/")}

        async def call(raw: Any, context: Context) -> Any:
            started = time.monotonic()
            code, reason = "OK", ""
            self._serving += 1
            try:
                metadata = dict(context.invocation_metadata() or ())
                self._enter(name, context, metadata)
                request = _read(raw, read)
                validate(request)
                parent = cast("str | None", metadata.get(tracing.HEADER))
                with tracing.span(
                    attributes["rpc.method"], kind="server", parent=parent, attributes=attributes
                ):
                    return await run(request, context)
            except DomainError as error:
                code, reason = error.kind, error.reason
                await context.abort_with_status(cast("grpc.Status", _status(error)))
            except Exception:
                code, reason = "INTERNAL", "INTERNAL_ERROR"
                log.exception("rpc.failed", method=name)
                hidden = _status(Internal("Internal error"))
                await context.abort_with_status(cast("grpc.Status", hidden))
            finally:
                self._serving -= 1
                _tell(name, started, code, reason)
                _log_operator(name, code, reason)

        return call

    def _enter(self, name: str, context: Context, metadata: Mapping[str, str | bytes]) -> None:
        if self.refusal:
            raise Unavailable(self.refusal)
        if max(self._serving, len(self._running) + 1) > self._calls_max:
            raise TooManyCalls("Too many calls are being served")
        request_id = str(metadata.get(identity.REQUEST_ID_KEY, ""))[:128]
        identity.bind(None, request_id=request_id)
        peer = peer_of(context.auth_context()) if self._with_tls else None
        who = self._verifier.identity(str(metadata.get(identity.METADATA_KEY, "")), peer=peer)
        # A caller from outside could claim any address, so its claim is ignored.
        address = "" if who.grant else str(metadata.get(identity.ADDRESS_KEY, ""))[:64]
        identity.bind(who, request_id=request_id, address=address)
        authorize(name, self._access.get(name), who)
        remaining = context.time_remaining()
        if remaining is not None and remaining < LEAST_SECONDS:
            raise DeadlineExceeded("Too little time is left to begin")
        deadline.start(remaining)

    def _guarding(self, method: Method) -> Method:
        async def run(request: Message, context: Context) -> Any:
            if "request_id" not in request.DESCRIPTOR.fields_by_name:
                return await method(request, context)
            # The task belongs to the server, so a client that disconnects does not cancel a change.
            task: asyncio.Task[Any] = asyncio.ensure_future(method(request, context))
            self._running.add(task)
            task.add_done_callback(self._forget)
            return await asyncio.shield(task)

        return run

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Retrieve the error: asyncio would otherwise report it as never retrieved.
            task.exception()


def _read(raw: Any, read: Read | None) -> Message:
    """Parse a request. Raises: InvalidArgument: the bytes are not a message."""
    if read is None:
        message: Message = raw
        return message
    try:
        return read(raw)
    except DecodeError:
        raise InvalidArgument(
            "The request is not a message of the contract",
            fields=[("request", "cannot be parsed")],
        ) from None


def validate(message: Message) -> None:
    """Check the field rules of the contract.

    Also, no text may contain a NUL, because PostgreSQL cannot store it.

    Raises: InvalidArgument: names every wrong field with its problem.
    """
    violations = protovalidate.collect_violations(message)
    fields = [(_path(violation), violation.proto.message) for violation in violations]
    # Search the encoded message first: almost none has a zero byte, and checking fields is slow.
    if b"\0" in message.SerializeToString():
        fields += [(path, "must not hold a NUL character") for path in _texts_with_nul(message)]
    if not fields:
        return
    names = ", ".join(name for name, _ in fields)
    raise InvalidArgument(f"Invalid field: {names}", fields=fields)


def _path(violation: Any) -> str:
    parts = []
    for element in violation.proto.field.elements:
        subscript = element.subscript
        parts.append(element.field_name + (f"[{subscript.value}]" if subscript else ""))
    return ".".join(parts) or "request"


def _texts_with_nul(message: Message, prefix: str = "") -> Iterator[str]:
    for field, value in message.ListFields():
        items = list(enumerate(value)) if field.is_repeated else [(None, value)]
        for index, item in items:
            path = prefix + field.name + ("" if index is None else f"[{index}]")
            if isinstance(item, Message):
                yield from _texts_with_nul(item, f"{path}.")
            elif isinstance(item, str) and "\0" in item:
                yield path


def authorize(name: str, access: Access | None, who: Identity) -> None:
    """Check that a caller may call a method.

    name: "/package.Service/Method". access: the method's line of the allow-list.

    Raises: CallerNotAllowed; InsufficientScope.
    """
    if access is None or not _may_call(name, access, who):
        raise CallerNotAllowed(f"{who.caller} may not call this")
    if who.grant is not None:
        _hold_to_grant(who, who.grant)
    if who.role not in access.roles:
        raise CallerNotAllowed(
            f"{who.caller} may not call this for a principal of the role {who.role!r}",
            details={"role": who.role, "allowed_roles": sorted(access.roles)},
        )
    scope = access.scope_for(who.role)
    if scope is not None and scope not in who.scopes:
        raise InsufficientScope(
            f"The scope {scope!r} is required",
            details={"required_scope": scope, "current_scopes": sorted(who.scopes)},
        )


def _may_call(name: str, access: Access, who: Identity) -> bool:
    if who.grant is None:
        return who.caller in access.callers
    # The allow-list is for our own programs. A caller from outside may call the RPCs of its grant.
    service, method = name.removeprefix("/").split("/")
    return f"{service.split('.')[1]}.{method}" in who.grant.rpcs


def _hold_to_grant(who: Identity, grant: Grant) -> None:
    """Check that a caller from outside acts only for itself, within its grant."""
    if who.role != ROLE_SYSTEM or who.principal != f"service:{who.caller}":
        raise CallerNotAllowed(f"{who.caller} may only act for itself")
    if not grant.has_marketplace(who.marketplace_id):
        raise CallerNotAllowed(f"{who.caller} may not call this for this marketplace")
    beyond = who.scopes - grant.scopes
    if beyond:
        raise InsufficientScope(
            f"{who.caller} claims scopes that it was not granted",
            details={"granted_scopes": sorted(grant.scopes), "current_scopes": sorted(who.scopes)},
        )


def _status(error: DomainError) -> _Status:
    rich = rpc_status.to_status(to_status(error))
    extra = ((REPLAYED_KEY, "true"),) if error.replayed else ()
    final = (DO_NOT_RETRY,) if error.is_final else ()
    return _Status(rich.code, rich.details, (*rich.trailing_metadata, *extra, *final))


def _log_operator(name: str, code: str, reason: str) -> None:
    """Log an operator's change, or their attempt, with their name, for the audit."""
    who = identity.current_or_none()
    if who is None or who.caller != OPERATOR or name.rpartition("/")[2].startswith(READING):
        return
    log.warning(
        "operator.asked",
        method=name,
        by=who.principal,
        marketplace_id=str(who.marketplace_id),
        code=code,
        reason=reason,
        request_id=identity.current_request_id(),
    )


def _tell(name: str, started: float, code: str, reason: str) -> None:
    """Record the outcome of a call in the metrics and in the log."""
    seconds = time.monotonic() - started
    metrics.rpc_seconds(name, code, reason).observe(seconds)
    log.debug(
        "rpc",
        method=name,
        code=code,
        reason=reason,
        milliseconds=round(seconds * 1000, 1),
        request_id=identity.current_request_id(),
    )
