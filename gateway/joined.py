"""What is written of an answer, joined: its head leaves with its body, in one system call.

Uvicorn writes the head when the answer begins, and the body after it. A write that is not followed
by another at once is sent when the loop turns.
"""

import asyncio


class Joined:
    """The transport of a connection, as one answer uses it."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Send what is held and this together, or hold this until the loop turns."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is held. It must not be left behind when the transport is closed."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def is_closing(self) -> bool:
        """Tell whether the transport is closed, or will be."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what is held, and close."""
        self.flush()
        self._transport.close()
