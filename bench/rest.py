"""Requests per second through REST, beside the floor on the same PostgreSQL.

Our lines and the floor's run in turn, in several rounds, so that other work on the machine affects
both. The figures are medians of the rounds.
"""

import itertools
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import uvloop

from bench.floor import floor
from bench.load import Client, Run
from bench.measured import Measured, Say, latencies, per_process
from bench.people import PRICE, order_between, users
from bench.stack import Stack
from bench.usage import Usage
from deploy.local.rest import Marketplace

CONNECTIONS, MANY, BUYERS, ROUNDS = 16, 64, 8, 3
SECONDS, WARM_UP_SECONDS = 2.5, 1.0
READ, LISTED, CREATED, RESERVED = "GET order", "list of orders", "create with key", "reserve"
CREATED_BY_MANY, RESERVED_BY_MANY = f"create, {MANY} connections", f"reserve, {MANY} connections"
BY_MANY = (CREATED_BY_MANY, RESERVED_BY_MANY)
CREATING, RESERVING = (CREATED, CREATED_BY_MANY), (RESERVED, RESERVED_BY_MANY)
OURS, FLOOR = "", "floor, "
# The line of the floor that each of our lines is compared with.
BESIDE = {READ: READ, LISTED: LISTED} | dict.fromkeys((*CREATING, *RESERVING), CREATED)
NAMES = {
    READ: "get",
    LISTED: "list",
    CREATED: "create",
    RESERVED: "reserve",
    CREATED_BY_MANY: "create.many",
    RESERVED_BY_MANY: "reserve.many",
}
GOOD = frozenset({200, 201})


class RefusedError(Exception):
    """A request of a measurement failed, so its figure means nothing."""


@dataclass(slots=True, kw_only=True)
class Line:
    """The rounds of one line."""

    runs: list[Run] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of the rounds' rates."""
        return statistics.median(run.rate for run in self.runs)

    @property
    def cpu_each(self) -> float:
        """CPU seconds of a request, in all processes."""
        return sum(self.all.cpu_each.values())

    @property
    def all(self) -> Run:
        """All rounds as one run."""
        together = Run(seconds=[one for run in self.runs for one in run.seconds])
        names = self.runs[0].cpu
        together.cpu = {name: sum(run.cpu[name] for run in self.runs) for name in names}
        return together


def measure(stack: Stack, say: Say) -> Measured:
    """Measure all our lines and all lines of the floor."""
    with floor(stack.document["databaseUrl"]) as (url, pids):
        lines = uvloop.run(
            _rounds(stack, Client(url=url, api_key="none"), stack.usage(**pids), say)
        )
    return told(lines)


def told(lines: Mapping[str, Line]) -> Measured:
    """Return the figures and the table of the lines. lines: by name, the floor's with FLOOR."""
    figures, table = {}, []
    for name, line in lines.items():
        beneath = lines[FLOOR + BESIDE[name.removeprefix(FLOOR)]]
        beside, whole = beneath.rate, line.all
        by_cpu = beneath.cpu_each / line.cpu_each
        table.append(
            f"{name:<25}{line.rate:8.0f}/s  {line.rate / beside:5.2f} x floor"
            f" ({by_cpu:.2f} by CPU)"
            f"  {latencies(whole)}"
            f"  CPU {per_process(whole.cpu, count=len(whole.seconds))}"
        )
        if not name.startswith(FLOOR):
            figures[f"{NAMES[name]}.floor"] = line.rate / beside
            figures[f"{NAMES[name]}.rate"] = line.rate
            figures[f"{NAMES[name]}.cpu"] = 1000 * line.cpu_each
            figures[f"{NAMES[name]}.floor.cpu"] = by_cpu
        else:
            figures[f"floor.{NAMES[name.removeprefix(FLOOR)]}.rate"] = line.rate
    return Measured(figures=figures, lines=table)


async def _rounds(stack: Stack, beneath: Client, usage: Usage, say: Say) -> dict[str, Line]:
    document, ours = stack.document, stack.client
    async with Marketplace.of(url=document["url"], api_key=document["apiKey"]) as marketplace:
        buyers, seller = await users(marketplace, document["faucetUrl"], BUYERS)
    bodies = itertools.cycle([order_between(buyer, seller) for buyer in buyers])
    created: list[str] = []
    reserved = iter(lambda: f"/orders/{created.pop()}/reserve", "")

    def requests(name: str, client: Client) -> Iterator[bytes]:
        if name in CREATING:
            return (client.post("/orders", body) for body in bodies)
        if name in RESERVING:
            return (client.post(path, {"amount": PRICE}) for path in reserved)
        if name == LISTED:
            return itertools.repeat(client.get("/orders"))
        known = [client.get(f"/orders/{order}") for order in created[:1000] or ["none"]]
        return itertools.cycle(known)

    plan = [(FLOOR, CREATED), (OURS, CREATED)]
    plan += [(side, name) for name in (READ, LISTED) for side in (FLOOR, OURS)]
    plan += [(OURS, name) for name in (RESERVED, *BY_MANY)]
    lines = {side + name: Line() for side, name in plan}
    for number in range(ROUNDS + 1):
        say(f"round {number} of {ROUNDS}" if number else "warming up")
        if number == 1:
            stack.analyze()
        for side, name in plan:
            client = beneath if side == FLOOR else ours
            run = await client.run(
                requests(name, client),
                connections=MANY if name in BY_MANY else CONNECTIONS,
                usage=usage,
                seconds=SECONDS if number else WARM_UP_SECONDS,
                keeps=name in CREATING and side == OURS,
            )
            _require_good(run, side + name)
            if run.bodies:
                created += [data["id"] for data in run.data()]
                run.bodies.clear()
            if number:
                lines[side + name].runs.append(run)
    return lines


def _require_good(run: Run, title: str) -> None:
    """Check that every request was answered with success. Raises: RefusedError."""
    if not set(run.statuses) <= GOOD:
        raise RefusedError(f"{title}: {dict(run.statuses)}")
