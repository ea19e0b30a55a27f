"""TCP ports on the loopback address: finds free ports, and checks whether a port answers."""

import contextlib
import secrets
import socket
from dataclasses import dataclass

HOST = "127.0.0.1"
# Below the usual range of Linux for outgoing connections (ip_local_port_range).
_NOT_GIVEN = range(10_000, 32_768)
_given = set[int]()


@dataclass(eq=False)
class PortTakenError(Exception):
    """Another program listens on a port that the stack needs."""

    port: int
    purpose: str

    def __str__(self) -> str:
        return f"port {self.port} ({self.purpose}) is taken; set PORT_BASE to move the stack"


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int, *, timeout_seconds: float = 0.5) -> bool:
    """Return whether the port accepts connections."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout_seconds):
        return True
    return False


def greeting(port: int, *, timeout_seconds: float = 0.5) -> bytes:
    """Return the first bytes that a server sends without a request; empty if it sends none."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((HOST, port), timeout_seconds) as connection,
    ):
        connection.settimeout(timeout_seconds)
        return connection.recv(64)
    return b""


def free_ports(count: int) -> int:
    """Return the first of some free ports in a row, for tests only: another program could take one.

    This process is never given a port twice. The ports are outside the kernel's range for outgoing
    connections. Otherwise an outgoing connection could take one, in particular while a server
    restarts.
    """
    while True:
        first = secrets.choice(_NOT_GIVEN[: len(_NOT_GIVEN) - count + 1])
        row = range(first, first + count)
        if _given.isdisjoint(row) and all(is_free(port) for port in row):
            _given.update(row)
            return first


def free_port() -> int:
    """Return a free port, for tests only, as `free_ports` does."""
    return free_ports(1)
