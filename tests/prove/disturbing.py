"""Executes a plan: starts each disturbance when it is due, counts it and records its time."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from tests.prove.deployment import Deployment, send
from tests.prove.plan import Disturbance, Kind
from tests.prove.proxy import Mode

POLL_SECONDS = 0.1
# The maximum number of concurrent network faults, each on another link.
LANES = 3
# How long to wait for a stopped part to run again before it is killed.
BACK_SECONDS = 60.0
# A fault armed this many times counts as a lie of the node, not as a single fault.
LIE_COUNT_MIN = 1000
# Modes whose effect is instantaneous.
MOMENTARY = (Mode.RESET, Mode.FORGET, Mode.CUT)


@dataclass(slots=True)
class Progress:
    """Counts the orders that have ended. at: when each did, by the wall's clock."""

    at: list[float] = field(default_factory=list)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def end(self) -> int:
        """Count one more ended order; returns the total."""
        async with self._moved:
            self.at.append(time.time())
            self._moved.notify_all()
            return len(self.at)

    async def reached(self, number: int) -> None:
        """Wait until `number` orders have ended."""
        async with self._moved:
            await self._moved.wait_for(lambda: len(self.at) >= number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A disturbance that was carried out. at: from and to, by the wall's clock."""

    what: Disturbance
    at: tuple[float, float]


async def _never(_seconds: float) -> None:
    raise RuntimeError("the way to restore is not set")


@dataclass(slots=True, kw_only=True)
class Director:
    """Carries out a plan, as far as orders have ended.

    restore: how the database is restored, told the seconds since its copy; calls `calm`.
    """

    deployment: Deployment
    plan: Sequence[Disturbance]
    progress: Progress
    say: Callable[[str], None]
    restore: Callable[[float], Awaitable[None]] = field(default=_never)
    done: list[Done] = field(default_factory=list)
    # The number of armed chain faults that no request had met when they were cleared.
    unmet: int = 0
    _calm: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: asyncio.Condition = field(default_factory=asyncio.Condition)
    _active: int = 0

    async def run(self) -> None:
        """Carry out the whole plan."""
        self._calm.set()
        of = {kind: [found for found in self.plan if found.kind is kind] for kind in Kind}
        network = of[Kind.NETWORK]
        async with asyncio.TaskGroup() as group:
            for kind, act in self._acts().items():
                if kind is not Kind.NETWORK:
                    group.create_task(self._sequence(of[kind], act))
            for lane in range(LANES):
                group.create_task(self._sequence(network[lane::LANES], self._network))

    def _acts(self) -> Mapping[Kind, Callable[[Disturbance], Awaitable[None]]]:
        return {
            Kind.KILL: self._kill,
            Kind.PAUSE: self._pause,
            Kind.NETWORK: self._network,
            Kind.CHAIN: self._chain,
            Kind.LIE: self._lie,
            Kind.RESTORE: self._restore,
        }

    async def _sequence(
        self, due: Sequence[Disturbance], act: Callable[[Disturbance], Awaitable[None]]
    ) -> None:
        for number, what in enumerate(due, start=1):
            await self.progress.reached(what.after)
            began = time.time()
            if what.kind is Kind.RESTORE:
                await act(what)
            else:
                async with self._turn():
                    began = time.time()
                    await act(what)
            self.done.append(Done(what=what, at=(began, time.time())))
            if number % 25 == 0 or what.kind in {Kind.LIE, Kind.RESTORE}:
                self.say(f"{what.kind}: {number} of {len(due)}")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Count as an active disturbance for the block; waits during a database restore."""
        await self._calm.wait()
        self._active += 1
        try:
            yield
        finally:
            async with self._ended:
                self._active -= 1
                self._ended.notify_all()

    async def _restore(self, what: Disturbance) -> None:
        """Restore the database to an earlier state, without other disturbances."""
        await self.restore(what.seconds)

    @asynccontextmanager
    async def calm(self) -> AsyncIterator[None]:
        """Pause the disturbances for the block."""
        self._calm.clear()
        try:
            async with self._ended:
                await self._ended.wait_for(lambda: self._active == 0)
            await self.forget_chain_faults()
            self.deployment.proxies.heal()
            yield
        finally:
            self._calm.set()

    async def _kill(self, what: Disturbance) -> None:
        until = time.monotonic() + BACK_SECONDS
        while True:
            pid = self.deployment.pid(what.target)
            if pid is not None:
                if what.target == "devnet":
                    await self._count_unmet()
                if send(pid, signal.SIGKILL):
                    break
            assert time.monotonic() < until, f"{what.target} does not come back"
            await asyncio.sleep(POLL_SECONDS)
        await asyncio.sleep(POLL_SECONDS)

    async def _pause(self, what: Disturbance) -> None:
        pid = self.deployment.pid(what.target)
        if pid is None or not send(pid, signal.SIGSTOP):
            return
        try:
            await asyncio.sleep(what.seconds)
        finally:
            send(pid, signal.SIGCONT)

    async def _network(self, what: Disturbance) -> None:
        mode = Mode(what.detail["mode"])
        proxies = self.deployment.proxies
        proxies.turn(what.target, mode, milliseconds=what.detail["milliseconds"])
        if mode not in MOMENTARY:
            await asyncio.sleep(what.seconds)
            proxies.turn(what.target, Mode.PASS)

    async def _chain(self, what: Disturbance) -> None:
        await self._devnet("POST", what.detail)

    async def _lie(self, what: Disturbance) -> None:
        """Deny landed transactions until they have expired; a restarted node keeps denying."""
        until = time.monotonic() + what.seconds
        while time.monotonic() < until:
            armed = (await self._devnet("GET", None)).json()["faults"]
            if all(fault["count"] < LIE_COUNT_MIN for fault in armed):
                await self._devnet("POST", what.detail)
            await asyncio.sleep(POLL_SECONDS)
        await self.forget_chain_faults()

    async def forget_chain_faults(self) -> None:
        """Clear the node's faults."""
        await self._count_unmet()
        await self._devnet("DELETE", None)

    async def _count_unmet(self) -> None:
        armed = (await self._devnet("GET", None)).json()["faults"]
        counts = [fault["count"] for fault in armed]
        self.unmet += sum(count for count in counts if count < LIE_COUNT_MIN)

    async def _devnet(self, method: str, fault: Mapping[str, object] | None) -> httpx.Response:
        """Arm the devnet's faults, with retries until it answers."""
        url = f"{self.deployment.stack.document['devnetUrl']}/faults"
        until = time.monotonic() + BACK_SECONDS
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                try:
                    answer = await client.request(method, url, json=fault)
                    answer.raise_for_status()
                except httpx.HTTPError:
                    assert time.monotonic() < until, "the devnet does not answer"
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return answer
