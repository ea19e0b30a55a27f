"""A whole stack for tests: the real supervisor with its real children, on a fresh data folder."""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.checkout import Checkout
from deploy.local import identities, postgres, state
from deploy.local.demo.chain import Chain
from deploy.local.demo.purchase import Purchase
from deploy.local.ports import free_ports
from deploy.local.process import Command, Process, python_module
from deploy.local.rest import Marketplace
from deploy.local.settings import PORTS, ROOT, child_environment
from deploy.operator.client import Operator
from tests.patience import PATIENCE_SECONDS, pauses

START_SECONDS = 3 * PATIENCE_SECONDS
# Short ledgers: a purchase takes seconds, and steps are still separate ledgers.
LEDGER_SECONDS = "0.2"


@dataclass(slots=True, kw_only=True)
class RunningStack:
    """A stack that is ready. process: its supervisor."""

    run_dir: Path
    process: Process

    @property
    def document(self) -> dict[str, Any]:
        """The current content of stack.json; pids change when a part is restarted."""
        document = state.read(self.run_dir)
        assert document is not None, f"the stack is gone:\n{self.process.log_tail()}"
        return document

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return str(self.document["url"])

    def signal(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a part; returns its process id."""
        pid = int(self.document["pids"][name])
        os.kill(pid, number)
        return pid

    def kill(self, name: str) -> None:
        """Kill a part with SIGKILL; the supervisor restarts the part."""
        self.signal(name, signal.SIGKILL)

    def wait_until_back(self, name: str, *, since: int) -> None:
        """Wait until a part serves again. since: the log's length before the restart."""
        wait_for(lambda: f"{name} is back" in self.process.log()[since:])


@contextlib.contextmanager
def running_stack(
    folder: Path, *, keep: bool = False, checkout: Checkout | None = None, **environment: str
) -> Iterator[RunningStack]:
    """Start a stack in a folder and stop it at the end of the block.

    keep: keep its database for another start, which then has to delete the database. checkout:
    whose stack it is; None: of the code that runs this.
    """
    run_dir = folder / "run"
    overrides = {
        "RUN_DIR": str(run_dir),
        "PORT_BASE": str(free_row()),
        "DEVNET_LEDGER_SECONDS": LEDGER_SECONDS,
        "CHAIN_POLL_SECONDS": "0.2",
        # No fsync: the operating system keeps the writes of a killed PostgreSQL.
        "POSTGRES_FSYNC": "off",
        # Forked programs start faster: most of a stack's start is imports.
        "FORK_PROGRAMS": "on",
        **environment,
    }
    if checkout is None:
        command = Command(
            name="stack",
            argv=python_module("deploy.local"),
            environment=child_environment(**overrides),
            folder=ROOT,
        )
    else:
        command = checkout.command("deploy.local", **overrides)
    process = Process(command, folder / "stack.log")
    try:
        process.wait_until(lambda: state.read(run_dir) is not None, timeout_seconds=START_SECONDS)
        yield RunningStack(run_dir=run_dir, process=process)
    finally:
        process.stop(timeout_seconds=60)
        if not keep:
            postgres.remove(run_dir / "postgres")


def free_row() -> int:
    """Return the first port of a free range."""
    return free_ports(len(PORTS))


@contextlib.asynccontextmanager
async def new_purchase(stack: RunningStack) -> AsyncIterator[tuple[Purchase, Operator]]:
    """Yield a purchase between two new users, and the operator's view."""
    document = stack.document
    name = uuid.uuid4().hex[:12]
    async with contextlib.AsyncExitStack() as opened:
        marketplace = await opened.enter_async_context(
            Marketplace.of(url=document["url"], api_key=document["apiKey"])
        )
        operator = await opened.enter_async_context(
            Operator.of(
                services=document["services"],
                papers=identities.operator_papers(stack.run_dir),
                marketplace_id=await marketplace.marketplace_id(),
            )
        )
        chain = await opened.enter_async_context(Chain.of(document))
        purchase = Purchase(
            marketplace=marketplace,
            chain=chain,
            faucet_url=document["faucetUrl"],
            operator=operator,
            buyer=f"buyer_{name}",
            seller=f"seller_{name}",
        )
        yield purchase, operator


def wait_for(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    for pause in pauses():
        if condition():
            return
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(pause)
