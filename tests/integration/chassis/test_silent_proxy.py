"""The silent proxy that other tests use to lose connections: each of its modes."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.silent_proxy import SilentProxy, silent_proxy

SECONDS = 10
Connect = Callable[[], tuple[socket.socket, socket.socket]]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server's socket, which the test accepts on."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(SECONDS)
        yield made


@pytest.fixture
def proxy(listener: socket.socket) -> Iterator[SilentProxy]:
    """A proxy to that server."""
    with silent_proxy(listener.getsockname()[1]) as made:
        yield made


@pytest.fixture
def connect(proxy: SilentProxy, listener: socket.socket) -> Iterator[Connect]:
    """Connect through the proxy; gives both ends once a byte has passed each way."""
    with ExitStack() as ends:

        def connected() -> tuple[socket.socket, socket.socket]:
            client = ends.enter_context(dialled(proxy))
            server = ends.enter_context(listener.accept()[0])
            server.settimeout(SECONDS)
            assert passes(client, server)
            assert passes(server, client)
            return client, server

        yield connected


def dialled(proxy: SilentProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS)


def passes(one: socket.socket, other: socket.socket) -> bool:
    one.sendall(b"x")
    return other.recv(1) == b"x"


def hears_nothing(end: socket.socket) -> bool:
    """Tell whether nothing comes, not even the end of the connection."""
    end.settimeout(0.1)
    try:
        end.recv(1)
    except TimeoutError:
        return True
    return False


def test_the_proxy_forwards_bytes_and_their_end(connect: Connect) -> None:
    client, server = connect()

    client.close()

    assert server.recv(1) == b""


def test_silent_proxy_accepts_data_and_forwards_none_on_any_connection(
    proxy: SilentProxy, connect: Connect
) -> None:
    client, server = connect()

    proxy.silence()
    client.sendall(b"x" * 1_000_000)
    server.sendall(b"x" * 1_000_000)

    assert hears_nothing(client)
    assert hears_nothing(server)
    with dialled(proxy) as new:
        new.sendall(b"x")
        assert hears_nothing(new)


def test_lose_notifies_neither_side(proxy: SilentProxy, connect: Connect) -> None:
    client, server = connect()

    proxy.lose()
    client.close()

    assert hears_nothing(server)


def test_lost_connections_stay_lost_and_new_connections_work(
    proxy: SilentProxy, connect: Connect
) -> None:
    client, server = connect()

    proxy.lose()
    connect()
    proxy.restore()
    client.sendall(b"x")

    assert hears_nothing(server)


def test_drop_resets_open_connections_and_accepts_new_ones(
    proxy: SilentProxy, connect: Connect
) -> None:
    client, server = connect()

    proxy.drop()

    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    assert proxy.connections == 0
    connect()


def test_refuse_resets_new_connections_until_restore(proxy: SilentProxy, connect: Connect) -> None:
    proxy.refuse()

    with pytest.raises(ConnectionResetError), dialled(proxy) as refused:
        refused.recv(1)

    proxy.restore()
    connect()
