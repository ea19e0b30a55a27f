"""A stack with two replicas of every program, behind TCP balancers.

The first replicas are the stack's own. A connection to a program goes to one of its two replicas at
random, or to the other if that one accepts no connection.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.checkout import Checkout
from deploy.local import credentials
from deploy.local.nats_users import ADMIN
from deploy.local.ports import HOST, free_port
from deploy.local.services import Program
from deploy.local.wiring import with_user
from tests.operating import operate
from tests.prove.check_list import check_list
from tests.prove.check_stream import check_stream
from tests.prove.checking import Check
from tests.prove.links import proxies
from tests.replica import second
from tests.running_stack import RunningStack, free_row, running_stack
from tests.shop import until

PROGRAMS = ("gateway", "orders", "ledger", "escrow", "disputes", "webhooks")
# How a client reaches the gateways.
FRONT = "client>gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """The running programs. url: of the gateways, through their balancer.

    seconds, ports: the second replicas and where they listen, by program.
    """

    stack: RunningStack
    url: str
    seconds: dict[str, Program]
    ports: Mapping[str, int]

    async def restart(self, program: str, replica: int, *, by: signal.Signals) -> None:
        """End a replica by a signal, and wait until it serves again."""
        if replica == 1:
            logged = len(self.stack.process.log())
            self.stack.signal(program, by)

            async def is_back() -> bool:
                return f"{program} is back" in self.stack.process.log()[logged:]

            await until(is_back, what=f"{program} is not back")
            return
        await self._end(program, by=by)
        await self._start(program)

    async def replace(self, program: str, *, by: Checkout) -> None:
        """Replace the second replica by that of another checkout, as an update does."""
        await self._end(program, by=signal.SIGTERM)
        self.seconds[program] = second(self.stack, program, port=self.ports[program], checkout=by)
        await self._start(program)

    async def checks(self) -> list[Check]:
        """Wait until the books agree with the chain; compare what is told with what is kept."""

        async def is_well() -> bool:
            done = await asyncio.to_thread(operate, self.stack.run_dir, "reconcile")
            return done.returncode == 0

        await until(is_well, what="the books and the chain do not agree")
        document = self.stack.document
        admin = credentials.load(self.stack.run_dir).nats[ADMIN]
        told = await check_stream(
            document["databaseUrl"],
            nats_url=with_user(document["natsUrl"], ADMIN, admin),
            authority=document["natsCaFile"],
        )
        return [*told, *await check_list(document["databaseUrl"])]

    async def _end(self, program: str, *, by: signal.Signals) -> None:
        process = self.seconds[program].process
        os.kill(process.pid, by)
        ended = await asyncio.to_thread(process.stop, timeout_seconds=60)
        assert ended == (0 if by == signal.SIGTERM else -by), f"{program} ended with {ended}"

    async def _start(self, program: str) -> None:
        self.seconds[program].start()
        await asyncio.to_thread(self.seconds[program].wait_ready)


@contextlib.asynccontextmanager
async def two_of_everything(
    folder: Path, *, keep: bool = False, checkout: Checkout | None = None
) -> AsyncIterator[Twice]:
    """Run it for the block. keep, checkout: as of `running_stack`."""
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
                keep=keep,
                checkout=checkout,
                PORT_BASE=str(base),
                LINKS=",".join(f"{name}={at}" for name, at in inner.items()),
                FORK_PROGRAMS="off",
                RESTART_PAUSE_SECONDS="0.5",
            )
        )
        seconds = {
            name: second(stack, name, port=ports[name], checkout=checkout) for name in PROGRAMS
        }
        opened.enter_context(_running(seconds))
        url = f"http://{balancers.addresses[FRONT]}"
        yield Twice(stack=stack, url=url, seconds=seconds, ports=ports)


@contextlib.contextmanager
def _running(programs: Mapping[str, Program]) -> Iterator[None]:
    """Start programs, and after the block stop those that are in their places then."""
    with contextlib.ExitStack() as opened:
        for name, program in programs.items():
            program.start()
            opened.callback(_stop, programs, name)
        for program in programs.values():
            program.wait_ready()
        yield


def _stop(programs: Mapping[str, Program], name: str) -> None:
    programs[name].process.stop(timeout_seconds=60)
