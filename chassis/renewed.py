"""A channel that follows a renewed certificate; gRPC's own channel always keeps its first one.

Stubs are created once. Each call uses a channel with the newest certificate. A replaced channel is
closed after its calls have ended.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from chassis.telemetry import logger
from chassis.tls import Certificates, Material

# A replaced channel is closed after this time, which is longer than any deadline.
RETIRING_SECONDS = 120.0
Open = Callable[[Material], grpc.aio.Channel]
log = logger()


class RenewedChannel(grpc.aio.Channel):
    """Opens a new channel whenever the certificate files change."""

    def __init__(self, *, own: Certificates, open_with: Open) -> None:
        """Open the first channel, with `open_with`. Needs the running loop."""
        self._own = own
        self._open_with = open_with
        self._material = own.current()
        self._channel = open_with(self._material)
        self._retiring: set[asyncio.Task[None]] = set()

    def newest(self) -> grpc.aio.Channel:
        """Return the channel with the current certificate."""
        material = self._own.current()
        if material is not self._material:
            old, self._channel = self._channel, self._open_with(material)
            self._material = material
            task = asyncio.ensure_future(old.close(RETIRING_SECONDS))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
            log.info("channel.renewed")
        return self._channel

    async def close(self, grace: float | None = None) -> None:
        """Close the current channel and the replaced ones."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's
        """Return the state of the newest channel."""
        return self.newest().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the newest channel has another state."""
        await self.newest().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest channel is connected."""
        await self.newest().channel_ready()

    def unary_unary(self, *given: Any, **named: Any) -> Any:
        """Return a callable for a method with one request and one response."""
        return self._method("unary_unary", given, named)

    def unary_stream(self, *given: Any, **named: Any) -> Any:
        """Return a callable for a method with one request and many responses."""
        return self._method("unary_stream", given, named)

    def stream_unary(self, *given: Any, **named: Any) -> Any:
        """Return a callable for a method with many requests and one response."""
        return self._method("stream_unary", given, named)

    def stream_stream(self, *given: Any, **named: Any) -> Any:
        """Return a callable for a method with many requests and many responses."""
        return self._method("stream_stream", given, named)

    def _method(self, kind: str, given: Any, named: Any) -> Callable[..., Any]:
        made: tuple[grpc.aio.Channel, Any] | None = None

        def call(*request: Any, **options: Any) -> Any:
            nonlocal made
            channel = self.newest()
            if made is None or made[0] is not channel:
                made = (channel, getattr(channel, kind)(*given, **named))
            return made[1](*request, **options)

        return call
