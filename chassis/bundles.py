"""Sends the calls that begin at the same time together, as a bundle.

Most of the cost of a small call is its transport. A busy program begins many calls in each turn of
its loop. Each gets its own answer, as soon as the service has it. A call that is alone in its turn
is sent as an ordinary call; while calls come in groups, the first one waits shortly for the others.
A call that a bundle leaves without an answer is sent again alone, with the retries of the channel:
every call may be repeated.
"""

import asyncio
import contextvars
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError, Message
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc

# Source: CarryRequest.
CALLS_MAX = 64
# A larger request is sent alone. All requests of a bundle stay below the size that a server reads.
REQUEST_BYTES_MAX = 8 * 1024
# While calls come in groups, the first of a group waits this long for the others.
LINGER_SECONDS = 0.002
GROUP_LEAST = 3
# A service of an older version has no bundles. It is asked again after this time.
WITHOUT_SECONDS = 30.0
# Refusals after which gRPC retries, and the mark of a refusal after which it must not.
RETRIED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
FINAL = "grpc-retry-pushback-ms"
CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
Pairs = Sequence[tuple[str, str | bytes]]


@dataclass(slots=True)
class _Begun:
    """A call that was begun. answer: its answer from a bundle; None: it must be sent alone."""

    path: str
    request: Message
    metadata: Pairs
    ends_at: float
    answer: "asyncio.Future[bundle_pb2.Answer | None]"

    def message(self, now: float) -> bundle_pb2.Call:
        """Encode the call for a bundle."""
        return bundle_pb2.Call(
            method=self.path,
            request=self.request.SerializeToString(),
            metadata=to_metadata(self.metadata),
            timeout_ms=max(int((self.ends_at - now) * 1000), 1),
        )


class Bundles:
    """Sends the calls of one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take the channel that carries the bundles."""
        self._carry = bundle_pb2_grpc.BundleServiceStub(channel).Carry
        self._begun: list[_Begun] = []
        self._running: set[asyncio.Task[None]] = set()
        self._without_until = 0.0
        # The number of calls that were recently sent together.
        self._usual = 0

    async def answer(
        self, path: str, request: Message, *, metadata: Pairs, ends_at: float
    ) -> bundle_pb2.Answer | None:
        """Send a call together with others; None: send it alone.

        ends_at: by the loop's clock.
        """
        loop = asyncio.get_running_loop()
        begun = _Begun(path, request, metadata, ends_at, loop.create_future())
        if not self._begun:
            if self._usual >= GROUP_LEAST:
                loop.call_later(LINGER_SECONDS, self._send)
            else:
                loop.call_soon(self._send)
        self._begun.append(begun)
        return await begun.answer

    def _send(self) -> None:
        """Send the calls that were begun since the last time."""
        begun, self._begun = self._begun, []
        calls = [call for call in begun if not call.answer.done()]
        has_bundles = asyncio.get_running_loop().time() >= self._without_until
        self._usual = max(len(calls), self._usual * 3 // 4) if has_bundles else 0
        for bundle in _parts(calls, at_most=CALLS_MAX if has_bundles else 1):
            if len(bundle) == 1:
                bundle[0].answer.set_result(None)
                continue
            # The task gets an empty context, because it serves many callers.
            task = asyncio.create_task(self._send_bundle(bundle), context=contextvars.Context())
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _send_bundle(self, calls: Sequence[_Begun]) -> None:
        now = asyncio.get_running_loop().time()
        timeout = max(max(call.ends_at for call in calls) - now, 0.0)
        try:
            request = bundle_pb2.CarryRequest(calls=[call.message(now) for call in calls])
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


class Method:
    """A method of a service with one request and one response. Calling it is gRPC's own call."""

    def __init__(self, bundles: Bundles, path: str, *, alone: Any, read: Any) -> None:
        """Take the method. alone: gRPC's callable. read: parses the response."""
        self._bundles, self._path = bundles, path
        self._alone, self._read = alone, read

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Begin an ordinary call."""
        return self._alone(*given, **named)

    async def send(self, request: Message, *, metadata: Pairs, seconds: float) -> tuple[Any, Any]:
        """Make a call, in a bundle if others begin now; return response and trailing metadata.

        seconds: how long to wait. Raises: grpc.aio.AioRpcError.
        """
        ends_at = asyncio.get_running_loop().time() + seconds
        if request.ByteSize() > REQUEST_BYTES_MAX:
            return await self._send_alone(request, metadata, ends_at)
        try:
            async with asyncio.timeout_at(ends_at):
                answer = await self._bundles.answer(
                    self._path, request, metadata=metadata, ends_at=ends_at
                )
        except TimeoutError:
            raise _error(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        if answer is None:
            return await self._send_alone(request, metadata, ends_at)
        trailing = grpc.aio.Metadata(*from_metadata(answer.trailing))
        code = CODES.get(answer.code, grpc.StatusCode.UNKNOWN)
        if code is grpc.StatusCode.OK:
            try:
                return self._read(answer.response), trailing
            except DecodeError:
                text = "The response cannot be parsed"
                raise _error(grpc.StatusCode.INTERNAL, text) from None
        if code in RETRIED and FINAL not in dict(trailing):
            return await self._send_alone(request, metadata, ends_at)
        raise _error(code, answer.message, trailing)

    async def _send_alone(
        self, request: Message, metadata: Pairs, ends_at: float
    ) -> tuple[Any, Any]:
        left = max(ends_at - asyncio.get_running_loop().time(), 0.0)
        call = self._alone(request, metadata=metadata, timeout=left)
        return await call, await call.trailing_metadata()


class BundlingChannel:
    """A channel whose methods can be sent in bundles. Everything else is the given channel's."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        """Take the channel that carries bundles and single calls."""
        self._channel = channel
        self._bundles = Bundles(channel)

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
        self,
        path: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        **named: Any,
    ) -> Any:
        """Return a callable for a method with one request and one response."""
        alone: Any = self._channel.unary_unary(
            path, request_serializer, response_deserializer, **named
        )
        return Method(self._bundles, path, alone=alone, read=response_deserializer)


def _parts(calls: Sequence[_Begun], *, at_most: int) -> Iterator[Sequence[_Begun]]:
    return (calls[start : start + at_most] for start in range(0, len(calls), at_most))


def to_metadata(pairs: Pairs) -> list[bundle_pb2.Metadata]:
    """Encode gRPC's metadata for a bundle."""
    return [
        bundle_pb2.Metadata(
            key=key, value=value if isinstance(value, bytes) else value.encode("latin-1")
        )
        for key, value in pairs
    ]


def from_metadata(found: Iterable[bundle_pb2.Metadata]) -> tuple[tuple[str, str | bytes], ...]:
    """Decode the metadata of a bundle: of a key that ends in "-bin", bytes, otherwise text."""
    return tuple(
        (one.key, one.value if one.key.endswith("-bin") else one.value.decode("latin-1"))
        for one in found
    )


def _error(
    code: grpc.StatusCode, text: str, trailing: grpc.aio.Metadata | None = None
) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), trailing or grpc.aio.Metadata(), details=text
    )
