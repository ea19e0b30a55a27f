"""Joins the writes of an answer: head and body are sent with one system call.

Uvicorn writes the head when an answer begins, and the body afterwards. The head is held until the
body is written, or until the event loop's next turn if no body follows at once.
"""

import asyncio


class Joined:
    """The transport of a connection, as seen by one answer."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Send the held bytes together with `data`; if none are held, hold `data`."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held + data)
        elif data:
            self._held = data
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send the held bytes. Call it before the transport is closed."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def is_closing(self) -> bool:
        """Return whether the transport is closed or closing."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send the held bytes, and close."""
        self.flush()
        self._transport.close()
