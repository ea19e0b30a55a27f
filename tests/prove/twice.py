"""A stack with two replicas of every program, behind TCP balancers.

The first replicas are the stack's own. A connection to a program goes to one of its two replicas at
random, or to the other if that one accepts no connection.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import HOST, free_port
from deploy.local.services import Program
from tests.prove.links import proxies
from tests.replica import running, second
from tests.running_stack import RunningStack, free_row, running_stack
from tests.shop import until

PROGRAMS = ("gateway", "orders", "ledger", "escrow", "disputes")
# How a client reaches the gateways.
FRONT = "client>gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """The running programs. url: of the gateways, through their balancer."""

    stack: RunningStack
    url: str
    seconds: Mapping[str, Program]

    async def restart(self, program: str, replica: int, *, by: signal.Signals) -> None:
        """End a replica by a signal, and wait until it serves again."""
        if replica == 1:
            logged = len(self.stack.process.log())
            self.stack.signal(program, by)

            async def is_back() -> bool:
                return f"{program} is back" in self.stack.process.log()[logged:]

            await until(is_back, what=f"{program} is not back")
            return
        second = self.seconds[program]
        os.kill(second.process.pid, by)
        ended = await asyncio.to_thread(second.process.stop, timeout_seconds=60)
        assert ended == (0 if by == signal.SIGTERM else -by), f"{program} ended with {ended}"
        second.start()
        await asyncio.to_thread(second.wait_ready)


@contextlib.asynccontextmanager
async def two_of_everything(folder: Path) -> AsyncIterator[Twice]:
    """Run it for the block."""
    base = free_row()
    ports = {program: free_port() for program in PROGRAMS}
    with contextlib.ExitStack() as opened:
        balancers = opened.enter_context(
            proxies(
                port_base=base,
                more={name: port for name, port in ports.items() if name != "gateway"},
                also={FRONT: [f"{HOST}:{base}", f"{HOST}:{ports['gateway']}"]},
            )
        )
        inner = {name: at for name, at in balancers.addresses.items() if name != FRONT}
        stack = opened.enter_context(
            running_stack(
                folder,
                PORT_BASE=str(base),
                LINKS=",".join(f"{name}={at}" for name, at in inner.items()),
                FORK_PROGRAMS="off",
                RESTART_PAUSE_SECONDS="0.5",
            )
        )
        seconds = {name: second(stack, name, port=ports[name]) for name in PROGRAMS}
        opened.enter_context(running(*seconds.values()))
        url = f"http://{balancers.addresses[FRONT]}"
        yield Twice(stack=stack, url=url, seconds=seconds)
