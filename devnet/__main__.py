"""`python -m devnet`: one asyncio process, stopped by SIGTERM or SIGINT."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Iterator

import structlog
import uvicorn
import uvloop

from devnet import app, settings
from devnet.app import Devnet
from devnet.network.journal import WrongNetworkError
from devnet.settings import Settings, SettingsError

WRONG_SETTING = 2
GRACE_SECONDS = 5
# Longer than clients keep an idle connection, so that none is closed while a request is on its way.
IDLE_SECONDS = 30

# The signals that stop the process.
ENDING = (signal.SIGTERM, signal.SIGINT)
log = structlog.get_logger()


class _QuietServer(uvicorn.Server):
    """The web server without its own signal handlers, because the ledger must stop with it.

    Its responses have no date, for which Uvicorn itself would wake up ten times a second.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def main_loop(self) -> None:
        """Wait until the server is to stop."""
        await self._stopping.wait()
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def main() -> int:
    """Run until told to stop. Returns: the exit code, 2 for a wrong setting."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    try:
        chosen = settings.load()
        listener = _listen(chosen)
        host, port = listener.getsockname()[:2]
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        devnet = app.build(chosen, base_url=f"http://{place}")
    except (SettingsError, WrongNetworkError) as error:
        print(f"devnet: {error}", file=sys.stderr)  # noqa: T201  one plain line for the operator
        return WRONG_SETTING
    except OSError as error:
        print(f"devnet: DEVNET_DATA_DIR: {error}", file=sys.stderr)  # noqa: T201  the same
        return WRONG_SETTING
    # Imported modules stay for good, so the garbage collector need not examine them.
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(devnet, listener, port))


def _listen(chosen: Settings) -> socket.socket:
    try:
        is_ipv6 = ":" in chosen.host
        return socket.create_server(
            (chosen.host, chosen.port),
            family=socket.AF_INET6 if is_ipv6 else socket.AF_INET,
            reuse_port=False,
            dualstack_ipv6=chosen.host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        place = f"{chosen.host} {chosen.port}"
        raise SettingsError(f"DEVNET_HOST, DEVNET_PORT: {place}: {error.strerror}") from error


async def _serve(devnet: Devnet, listener: socket.socket, port: int) -> int:
    stopping = asyncio.Event()
    config = uvicorn.Config(
        devnet.web,
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
        ws="none",
        date_header=False,
    )
    server = _QuietServer(config, stopping)
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, stopping.set)
    ledger = asyncio.create_task(devnet.ledger.run(stopping))
    web = asyncio.create_task(server.serve(sockets=[listener]))
    log.info("devnet.started", port=port, ledger=devnet.ledger.newest.sequence)
    await asyncio.wait({ledger, web}, return_when=asyncio.FIRST_COMPLETED)
    stopping.set()
    results = await asyncio.gather(ledger, web, return_exceptions=True)
    devnet.journal.close()
    for number in ENDING:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        log.error("devnet.failed", error=repr(failure))
    log.info("devnet.stopped", ledger=devnet.ledger.newest.sequence)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
