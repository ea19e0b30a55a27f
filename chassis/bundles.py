"""Sends the calls that begin in one turn of the event loop together, as a bundle.

Most of the cost of a small call is its transport. A busy program begins many calls in each turn of
its loop. Each gets its own answer, as soon as the service has it. A call that is alone in its turn
is sent as an ordinary call. A call that a bundle leaves without an answer is sent again alone, with
the retries of the channel: every call may be repeated.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc

# Source: CarryRequest.
CALLS_MAX = 64
# A larger request is sent alone. All requests of a bundle stay below the size that a server reads.
REQUEST_BYTES_MAX = 8 * 1024
# A service of an older version has no bundles. It is asked again after this time.
WITHOUT_SECONDS = 30.0
OURS = "/orchestrator."
# Refusals after which gRPC retries, and the mark of a refusal after which it must not.
RETRIED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
FINAL = "grpc-retry-pushback-ms"
CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
Pairs = Sequence[tuple[str, str | bytes]]


class BundledCall:
    """A call that was begun. Await it once, for its response.

    Raises: grpc.aio.AioRpcError.
    """

    __slots__ = (
        "_alone",
        "_ends_at",
        "_read",
        "_trailing",
        "answer",
        "metadata",
        "path",
        "request",
    )

    def __init__(
        self,
        path: str,
        request: Message,
        *,
        metadata: Pairs,
        timeout: float | None,
        alone: Callable[..., Any],
        read: Callable[[bytes], Any],
    ) -> None:
        """Take the call. alone: makes it as an ordinary call. read: parses the response."""
        loop = asyncio.get_running_loop()
        self.path, self.request, self.metadata = path, request, metadata
        # The answer from a bundle; None: the call must be sent alone.
        self.answer: asyncio.Future[bundle_pb2.Answer | None] = loop.create_future()
        self._alone, self._read = alone, read
        self._ends_at = None if timeout is None else loop.time() + timeout
        self._trailing: Any = ()

    def __await__(self) -> Any:
        return self._response().__await__()

    async def trailing_metadata(self) -> Any:
        """Return the trailing metadata of the finished call."""
        return self._trailing

    def seconds_left(self) -> float | None:
        """Return how long the caller still waits; None: there is no limit."""
        if self._ends_at is None:
            return None
        return max(self._ends_at - asyncio.get_running_loop().time(), 0.0)

    def message(self) -> bundle_pb2.Call:
        """Encode the call for a bundle."""
        left = self.seconds_left()
        return bundle_pb2.Call(
            method=self.path,
            request=self.request.SerializeToString(),
            metadata=[
                bundle_pb2.Metadata(
                    key=key, value=value if isinstance(value, bytes) else value.encode()
                )
                for key, value in self.metadata
            ],
            timeout_ms=0 if left is None else max(int(left * 1000), 1),
        )

    async def _response(self) -> Any:
        try:
            async with asyncio.timeout_at(self._ends_at):
                answer = await self.answer
        except TimeoutError:
            raise _error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        if answer is None:
            return await self._sent_alone()
        self._trailing = _metadata(answer.trailing)
        code = CODES.get(answer.code, grpc.StatusCode.UNKNOWN)
        if code is grpc.StatusCode.OK:
            return self._read(answer.response)
        if code in RETRIED and FINAL not in dict(self._trailing):
            return await self._sent_alone()
        raise _error(code, answer.message, self._trailing)

    async def _sent_alone(self) -> Any:
        call = self._alone(self.request, metadata=self.metadata, timeout=self.seconds_left())
        response = await call
        self._trailing = await call.trailing_metadata()
        return response


class BundlingChannel:
    """A channel to a service that bundles calls. Everything else is that of the given channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take the channel that carries bundles and single calls."""
        self._channel = channel
        self._carry = bundle_pb2_grpc.BundleServiceStub(channel).Carry
        self._waiting: list[BundledCall] = []
        self._running: set[asyncio.Task[None]] = set()
        self._without_until = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self._channel.close()

    def unary_unary(
        self, path: str, request_serializer: Any, response_deserializer: Any, **named: Any
    ) -> Any:
        """Return a callable for a method with one request and one response."""
        alone: Any = self._channel.unary_unary(
            path, request_serializer, response_deserializer, **named
        )
        if not path.startswith(OURS):
            return alone

        def call(
            request: Message, *, metadata: Pairs = (), timeout: float | None = None, **more: Any
        ) -> Any:
            if more or request.ByteSize() > REQUEST_BYTES_MAX:
                return alone(request, metadata=metadata, timeout=timeout, **more)
            begun = BundledCall(
                path,
                request,
                metadata=metadata,
                timeout=timeout,
                alone=alone,
                read=response_deserializer,
            )
            if not self._waiting:
                asyncio.get_running_loop().call_soon(self._send)
            self._waiting.append(begun)
            return begun

        return call

    def _send(self) -> None:
        """Send the calls of the last turn."""
        waiting, self._waiting = self._waiting, []
        calls = [call for call in waiting if not call.answer.done()]
        has_bundles = asyncio.get_running_loop().time() >= self._without_until
        for bundle in _parts(calls, at_most=CALLS_MAX if has_bundles else 1):
            if len(bundle) == 1:
                bundle[0].answer.set_result(None)
                continue
            # The task gets an empty context, because it serves many callers.
            task = asyncio.create_task(self._send_bundle(bundle), context=contextvars.Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send_bundle(self, calls: Sequence[BundledCall]) -> None:
        left = [call.seconds_left() for call in calls]
        timeout = None if None in left else max(filter(None, left), default=0.0)
        try:
            request = bundle_pb2.CarryRequest(calls=[call.message() for call in calls])
            async for message in self._carry(request, timeout=timeout):
                for answer in message.answers:
                    if 0 <= answer.call < len(calls) and not calls[answer.call].answer.done():
                        calls[answer.call].answer.set_result(answer)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                self._without_until = asyncio.get_running_loop().time() + WITHOUT_SECONDS
        finally:
            for call in calls:
                if not call.answer.done():
                    call.answer.set_result(None)


def _parts(calls: Sequence[BundledCall], *, at_most: int) -> Iterator[Sequence[BundledCall]]:
    return (calls[start : start + at_most] for start in range(0, len(calls), at_most))


def _metadata(pairs: Sequence[bundle_pb2.Metadata]) -> grpc.aio.Metadata:
    return grpc.aio.Metadata(
        *((one.key, one.value if one.key.endswith("-bin") else one.value.decode()) for one in pairs)
    )


def _error(
    code: grpc.StatusCode, text: str, trailing: grpc.aio.Metadata | None = None
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details=text
    )
