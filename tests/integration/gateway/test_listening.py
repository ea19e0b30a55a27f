"""Where the gateway listens: names, IPv4, IPv6, and `::` for both."""

import socket

import pytest

from gateway.server import listening
from tests.patience import PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("host", "called"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("::1", "::1"),
        ("::", "::1"),
        ("::", "127.0.0.1"),
    ],
)
def test_the_gateway_is_reached_where_it_listens(host: str, called: str) -> None:
    with listening(host, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((called, port), timeout=PATIENCE_SECONDS) as client:
            assert client.getpeername()[1] == port


def test_an_unknown_host_is_an_error() -> None:
    with pytest.raises(OSError, match="not known"):
        listening("nowhere.invalid", 0)
