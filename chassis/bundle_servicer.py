"""Serves bundles: makes the calls of a bundle as if each had arrived alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

import grpc
from orchestrator.bundle.v1 import bundle_pb2, bundle_pb2_grpc

from chassis.bundles import CALLS_MAX, from_metadata, to_metadata
from chassis.telemetry import logger

Context = grpc.aio.ServicerContext[Any, Any]
# A message of answers that is larger is sent as several.
ANSWERS_BYTES = 1024 * 1024
log = logger()


class _AbortedError(Exception):
    """The method has ended its call with a status."""


class _CallContext:
    """The context of one call of a bundle. It has what methods and the interceptor use."""

    def __init__(self, bundle: Context, call: bundle_pb2.Call) -> None:
        self._bundle = bundle
        self._metadata = from_metadata(call.metadata)
        loop = asyncio.get_running_loop()
        left = bundle.time_remaining()
        own = call.timeout_ms / 1000 if call.timeout_ms > 0 else left
        self.seconds = own if left is None or own is None else min(own, left)
        self._ends_at = None if self.seconds is None else loop.time() + self.seconds
        self.status: Any = None
        self.trailing: Any = ()

    def invocation_metadata(self) -> Any:
        return self._metadata

    def auth_context(self) -> Any:
        return self._bundle.auth_context()

    def time_remaining(self) -> float | None:
        if self._ends_at is None:
            return None
        return max(self._ends_at - asyncio.get_running_loop().time(), 0.0)

    def set_trailing_metadata(self, trailing: Any) -> None:
        self.trailing = trailing

    async def abort_with_status(self, status: Any) -> NoReturn:
        self.status = status
        raise _AbortedError


class BundleServicer(bundle_pb2_grpc.BundleServiceServicer):
    """Makes the calls of a bundle side by side."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        """Take the function that finds the guarded handler of a method; None: there is none."""
        self._find = find

    async def Carry(  # noqa: N802 - named by the contract
        self, request: bundle_pb2.CarryRequest, context: Context
    ) -> AsyncIterator[bundle_pb2.CarryResponse]:
        """Answer each call as soon as it has ended. A call that is cut off is cancelled."""
        if not 1 <= len(request.calls) <= CALLS_MAX:
            text = f"A bundle must have 1 to {CALLS_MAX} calls"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, text)
        waiting = {
            asyncio.create_task(self._answer(place, call, _CallContext(context, call)))
            for place, call in enumerate(request.calls)
        }
        try:
            while waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                message, size = bundle_pb2.CarryResponse(), 0
                for task in done:
                    answer = task.result()
                    size += len(answer.response)
                    if size > ANSWERS_BYTES and message.answers:
                        yield message
                        message, size = bundle_pb2.CarryResponse(), len(answer.response)
                    message.answers.append(answer)
                yield message
        finally:
            for task in waiting:
                task.cancel()

    async def _answer(
        self, place: int, call: bundle_pb2.Call, context: _CallContext
    ) -> bundle_pb2.Answer:
        handler = self._find(call.method)
        if handler is None:
            code, text = grpc.StatusCode.UNIMPLEMENTED, "Method not found!"
            return bundle_pb2.Answer(call=place, code=code.value[0], message=text)
        answer = bundle_pb2.Answer(call=place)
        try:
            async with asyncio.timeout(context.seconds):
                response = await handler.unary_unary(call.request, context)
            answer.response = handler.response_serializer(response)
        except _AbortedError:
            answer.code, answer.message = context.status.code.value[0], context.status.details
            context.trailing = context.status.trailing_metadata
        except TimeoutError:
            answer.code = grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
            answer.message = "Deadline Exceeded"
        except Exception:
            # The handler answers the errors of its method. What is left is a fault of this file.
            log.exception("bundle.failed", method=call.method)
            answer.code = grpc.StatusCode.UNKNOWN.value[0]
        answer.trailing.extend(to_metadata(context.trailing or ()))
        return answer
