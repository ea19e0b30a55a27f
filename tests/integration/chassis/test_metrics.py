"""Metrics are read from a port of their own."""

import asyncio
import socket
import threading
import urllib.request

import pytest

from chassis import metrics
from deploy.local.ports import HOST, free_port, is_free
from tests.patience import PATIENCE_SECONDS


def scraped(port: int) -> str:
    with urllib.request.urlopen(
        f"http://{HOST}:{port}/metrics", timeout=PATIENCE_SECONDS
    ) as answer:
        text: str = answer.read().decode()
        return text


async def test_a_call_is_counted_by_method_code_and_reason() -> None:
    port = free_port()
    with metrics.served(host=HOST, port=port):
        metrics.RPC_SECONDS.labels("/a.B/C", "OK", "").observe(0.02)
        text = await asyncio.to_thread(scraped, port)

    assert 'orchestrator_rpc_seconds_count{code="OK",method="/a.B/C",reason=""} 1.0' in text
    assert "_created" not in text
    assert is_free(port)


async def test_silent_client_delays_neither_scrapes_nor_the_program() -> None:
    port = free_port()
    with metrics.served(host=HOST, port=port), socket.create_connection((HOST, port)):
        assert "python_info" in await asyncio.to_thread(scraped, port)


def test_without_a_port_there_is_no_listener() -> None:
    before = threading.active_count()

    with metrics.served(host=HOST, port=0):
        assert threading.active_count() == before


async def test_a_taken_port_stops_the_start() -> None:
    port = free_port()
    taken, again = (metrics.served(host=HOST, port=port) for _ in range(2))
    with taken, pytest.raises(OSError, match="in use"), again:
        pass
