"""Outgoing calls: channels with round_robin and retries; `call` adds identity and deadline.

Every mutating RPC carries a request id or deterministic ids, so every RPC may be repeated. A call
is retried only if the service is unavailable (UNAVAILABLE, or CANCELLED by a server that stops),
and only within a retry budget.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message

from chassis import deadline, identity, tracing
from chassis.bundles import BundlingChannel, Method
from chassis.identity import Identity, Signer
from chassis.renewed import RenewedChannel
from chassis.status import from_rpc_error
from chassis.tls import Certificates, channel_credentials
from kernel.errors import Unauthenticated

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

TIMEOUT_SECONDS = 5.0
SILENCE_SECONDS = 10
# Pages by cursor are limited to `wire.PAGE_BYTES`. A page by offset can be larger: it can have 100
# of the largest orders.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
SERVICE_CONFIG = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            # The calls of a bundle that fails are sent alone, with retries.
            {"name": [{"service": "orchestrator.bundle.v1.BundleService"}]},
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    # A server that stops cancels the calls that no handler has taken yet. Source:
                    # https://github.com/grpc/grpc/issues/41785. A call that its own caller cancels
                    # is never retried.
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            },
        ],
        # The budget limits retries while a service is down, and allows enough of them after an
        # outage: each success earns one retry.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 1},
    }
)


def open_channel(
    target: str,
    *,
    silence_seconds: int = SILENCE_SECONDS,
    peer: str = "",
    own: Certificates | None = None,
) -> grpc.aio.Channel:
    """Open a channel to a service. Needs the running loop.

    target: host:port or dns:///name:port. silence_seconds: a silent connection is pinged after this
    time, and closed after another half of it. own: the caller's certificate; None: no TLS. peer:
    the program that the server's certificate must name.
    """
    options = _options(silence_seconds)
    if own is None:
        channel = grpc.aio.insecure_channel(target, options=options)
        return cast("grpc.aio.Channel", BundlingChannel(channel))
    if peer:
        # The address does not identify the program: on one machine all programs share an address.
        options.append(("grpc.ssl_target_name_override", peer))
    renewed = RenewedChannel(
        own=own,
        open_with=lambda material: grpc.aio.secure_channel(
            target, channel_credentials(material), options=options
        ),
    )
    return cast("grpc.aio.Channel", BundlingChannel(renewed))


def _options(silence_seconds: int) -> list[tuple[str, Any]]:
    return [
        ("grpc.service_config", SERVICE_CONFIG),
        ("grpc.enable_retries", 1),
        # Reconnect within a second. The default is up to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1000),
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        # A peer that has vanished sends nothing, and the operating system waits fifteen minutes for
        # it. Without its own timeout for the ping, gRPC waits one minute, whatever the keepalive
        # timeout is.
        ("grpc.keepalive_time_ms", silence_seconds * 1000),
        ("grpc.keepalive_timeout_ms", silence_seconds * 500),
        ("grpc.http2.ping_timeout_ms", silence_seconds * 500),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]


class Caller:
    """Makes calls on behalf of a service."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        who: Identity | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> ResponseT:
        """Call for the current identity (or `who`) within the deadline of the current request.

        Raises: DomainError with the kind and reason of the answer; Unavailable; DeadlineExceeded:
            the outcome is unknown.
        """
        response, _ = await self.call_with_metadata(
            method, request, who=who, timeout_seconds=timeout_seconds
        )
        return response

    async def call_with_metadata(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        who: Identity | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> tuple[ResponseT, Mapping[str, str | bytes]]:
        """Make a call as `call` does; also returns the trailing metadata."""
        acting = who or identity.current_or_none()
        if acting is None:
            raise Unauthenticated("A call needs an identity")
        address = identity.current_address()
        metadata = (
            (identity.METADATA_KEY, self._signer.token(acting)),
            (identity.REQUEST_ID_KEY, identity.current_request_id()),
            *([(identity.ADDRESS_KEY, address)] if address else []),
            *tracing.carried(),
        )
        timeout = deadline.remaining(at_most=timeout_seconds)
        try:
            if isinstance(method, Method):
                response, trailing = await method.send(request, metadata=metadata, seconds=timeout)
                return response, dict(trailing)
            pending = method(request, metadata=metadata, timeout=timeout)
            return await pending, dict(await pending.trailing_metadata() or ())
        except grpc.aio.AioRpcError as error:
            refusal = from_rpc_error(error)
            told = dict(error.trailing_metadata() or ())
            refusal.replayed = told.get(identity.REPLAYED_KEY) == "true"
            raise refusal from None
