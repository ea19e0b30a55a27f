"""Silently lost connections to the chain fail at most one request."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from services.escrow.outgoing import Outgoing
from services.escrow.ports import Chain, ChainUnavailable
from services.escrow.stellar.connect import connect
from tests.conftest import RunningDevnet
from tests.integration.escrow.stellar_world import options_of
from tests.silent_proxy import SilentProxy, silent_proxy

pytestmark = pytest.mark.slow

PROMISED_SECONDS = 30


@pytest.fixture
def to_chain(devnet: RunningDevnet) -> Iterator[SilentProxy]:
    """A proxy to the node."""
    port = urlsplit(devnet.url).port
    assert port is not None
    with silent_proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def chain(devnet: RunningDevnet, to_chain: SilentProxy) -> AsyncIterator[Chain]:
    """The chain through the proxy, with the time-outs that a service has."""
    made, builder = connect(
        options_of(devnet.info, rpc_url=to_chain.in_url(devnet.info["rpcUrl"])),
        trustless_work=None,
    )
    yield made
    await builder.close()
    await made.close()


async def test_node_answers_in_time_after_its_connections_were_silently_lost(
    chain: Chain, to_chain: SilentProxy
) -> None:
    # The number of connections that a busy service keeps open.
    await asyncio.gather(*(chain.latest_ledger() for _ in range(8)))
    to_chain.lose()

    began = time.monotonic()
    async with asyncio.timeout(2 * PROMISED_SECONDS):
        while True:
            try:
                await chain.latest_ledger()
            except ChainUnavailable:
                continue
            break

    assert time.monotonic() - began < PROMISED_SECONDS
    await asyncio.gather(*(chain.latest_ledger() for _ in range(8)))


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A server that answers; its port."""

    async def answer(_request: web.Request) -> web.Response:
        # The pause keeps all requests in flight together, so that each has its own connection.
        await asyncio.sleep(0.05)
        return web.Response(text="here")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_one_unanswered_request_discards_all_kept_connections(server: int) -> None:
    with silent_proxy(server) as proxy:
        outgoing = Outgoing(timeout_seconds=5)

        async def ask() -> str:
            async with outgoing.request("GET", f"http://{proxy.address}/") as answer:
                return await answer.text()

        await asyncio.gather(*(ask() for _ in range(8)))
        proxy.lose()
        with pytest.raises((TimeoutError, aiohttp.ClientError)):
            await ask()

        assert [await ask() for _ in range(8)] == ["here"] * 8
        await outgoing.close()


async def test_no_connection_is_opened_after_the_close(server: int) -> None:
    outgoing = Outgoing(timeout_seconds=5)
    await outgoing.close()

    with pytest.raises(aiohttp.ClientError, match="closed"):
        async with outgoing.request("GET", f"http://127.0.0.1:{server}/"):
            pass
