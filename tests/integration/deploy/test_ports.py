"""Free ports: nothing listens there, and the kernel gives them to no connection."""

import socket
from pathlib import Path

from deploy.local.ports import HOST, free_port, is_free

GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_a_free_port_is_outside_the_kernels_range_for_connections() -> None:
    lowest = int(GIVEN.read_text().split()[0])

    ports = {free_port() for _ in range(50)}

    assert len(ports) > 1
    assert all(1024 < port < lowest for port in ports)


def test_a_port_with_a_listener_is_not_free() -> None:
    port = free_port()
    with socket.socket() as listening:
        listening.bind((HOST, port))
        listening.listen()
        assert not is_free(port)
