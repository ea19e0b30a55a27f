"""Transfers per second through the ledger's PostTransfers, beside `pgbench` on the same server.

    python -m bench.ledger [--seconds 6] [--users 1000] [--with-nats]

Starts its own durable PostgreSQL (fsync on), migrates it, serves `python -m services.ledger` as a
separate process and calls the ledger over gRPC from this process. Before and after each line,
pgbench runs its TPC-B on the same server, so that other work on the machine affects both; a ratio
is to the mean of these two runs. The CPU microseconds of a transfer are printed beside the rate:
they show what an otherwise idle machine would do. At the end the invariants are checked.
"""

import argparse
import asyncio
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from orchestrator.common.v1 import common_pb2
from orchestrator.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from chassis.channel import Caller, open_channel
from chassis.identity import Identity, Signer, system
from chassis.signature import EventSigner, new_key
from chassis.trust import of_house
from deploy.local.nats import NatsServer
from deploy.local.ports import HOST, free_port
from deploy.local.postgres import PostgresServer, binary, remove
from deploy.local.process import Command, Process, python_module, run
from deploy.local.services import grpc_ready
from deploy.local.settings import ROOT, child_environment

# The callers of this measurement.
KEYS = {name: Ed25519PrivateKey.generate() for name in ("orders", "operator")}
WORLD = "external:stellar"
PLENTY = 10**15
CREATED = ledger_pb2.TRANSFER_STATUS_CREATED
# Seconds of pgbench between two lines.
BESIDE_SECONDS = 3
Make = Callable[[], ledger_pb2.NewTransfer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running ledger and the processes that do its work."""

    address: str
    postgres: PostgresServer
    processes: dict[str, psutil.Process]


@dataclass(slots=True, kw_only=True)
class Figures:
    """What a run measured. cpu: process → microseconds a transfer. beside: pgbench's rate."""

    name: str
    rate: float
    beside: float = 1.0
    seconds: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    def line(self) -> str:
        """Return the run as a line of the table."""
        ordered = sorted(self.seconds)
        middle, slowest = (ordered[int(len(ordered) * part)] * 1000 for part in (0.5, 0.99))
        work = "  ".join(f"{name} {used:4.0f}" for name, used in self.cpu.items())
        return (
            f"{self.name:<34}{self.rate:8.0f}/s  {self.rate / self.beside:5.2f} x  "
            f"p50 {middle:6.1f} ms  p99 {slowest:6.1f} ms   {work}"
        )


class Load:
    """Calls one ledger for one marketplace."""

    def __init__(self, server: Server, stub: ledger_pb2_grpc.LedgerServiceStub) -> None:
        self._server = server
        self._stub = stub
        self._signer = Signer(key=lambda: KEYS["orders"], caller="orders")
        self._who: Identity = system(caller="orders", marketplace_id=uuid.uuid4())
        self._random = random.Random(7)
        self._names: list[str] = []

    async def open_accounts(self, *, count: int) -> None:
        """Open users' accounts and put a large amount into each."""
        ids = [uuid.uuid4() for _ in range(count)]
        self._names = [f"user:{user}" for user in ids]
        caller = Caller(self._signer)
        for start in range(0, count, 50):
            chunk = ids[start : start + 50]
            requests = [
                ledger_pb2.OpenAccountRequest(
                    request_id=f"open:{user}", user_id=str(user), public_id=user.hex, asset="USDC"
                )
                for user in chunk
            ]
            await asyncio.gather(
                *(caller.call(self._stub.OpenAccount, one, who=self._who) for one in requests)
            )
            filled = [_transfer(WORLD, f"user:{user}", PLENTY) for user in chunk]
            await caller.call(
                self._stub.PostTransfers,
                ledger_pb2.PostTransfersRequest(transfers=filled),
                who=self._who,
            )

    def deposit(self) -> ledger_pb2.NewTransfer:
        """Request a transfer from the world to a user: one statement line, one event."""
        return _transfer(WORLD, self._random.choice(self._names), 100_000)

    def payment(self) -> ledger_pb2.NewTransfer:
        """Request a transfer between users: two locked accounts, two lines, two events."""
        debit, credit = self._random.sample(self._names, 2)
        return _transfer(debit, credit, 100_000)

    async def measure(
        self, name: str, make: Make, *, callers: int, size: int, seconds: float
    ) -> Figures:
        """Post lists of `size` transfers from `callers` callers for `seconds` seconds."""
        caller = Caller(self._signer)
        latencies: list[float] = []
        end = time.perf_counter() + seconds

        async def work() -> None:
            while (started := time.perf_counter()) < end:
                request = ledger_pb2.PostTransfersRequest(transfers=[make() for _ in range(size)])
                answer = await caller.call(
                    self._stub.PostTransfers, request, who=self._who, timeout_seconds=30
                )
                latencies.append(time.perf_counter() - started)
                assert all(result.status == CREATED for result in answer.results)

        before, started = self._cpu(), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(callers)))
        elapsed, after = time.perf_counter() - started, self._cpu()
        count = len(latencies) * size
        cpu = {part: (after[part] - before[part]) / count * 1e6 for part in after}
        return Figures(name=name, rate=count / elapsed, seconds=latencies, cpu=cpu)

    async def broken(self) -> list[str]:
        """Check the ledger; return the invariants that fail."""
        operator = Caller(Signer(key=lambda: KEYS["operator"], caller="operator"))
        request = ledger_pb2.CheckInvariantsRequest()
        found = await operator.call(
            self._stub.CheckInvariants, request, who=self._who, timeout_seconds=300
        )
        return [f"{one.name}: {one.details}" for one in found.results if not one.holds]

    def _cpu(self) -> dict[str, float]:
        used = {name: _cpu_seconds(one) for name, one in self._server.processes.items()}
        mine = psutil.Process().cpu_times()
        return {**used, "load": mine.user + mine.system}


def _transfer(debit: str, credit: str, amount: int) -> ledger_pb2.NewTransfer:
    return ledger_pb2.NewTransfer(
        id=str(uuid.uuid4()),
        type=ledger_pb2.TRANSFER_TYPE_SINGLE,
        code=ledger_pb2.TRANSFER_CODE_RELEASE,
        debit_account=debit,
        credit_account=credit,
        amount=common_pb2.Money(asset="USDC", minor_units=amount),
    )


def _cpu_seconds(process: psutil.Process) -> float:
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


@contextmanager
def serving(*, with_nats: bool) -> Iterator[Server]:
    """Serve a fresh ledger on a durable PostgreSQL, and stop everything afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-ledger-")))
        folder.chmod(0o755)
        logs, home = folder / "logs", folder / "postgres"
        postgres = PostgresServer(home=home, port=free_port(), log_folder=logs)
        postgres.start()
        stack.callback(remove, home)
        stack.callback(postgres.stop)
        postgres.wait_ready()
        # Nothing listens on port 1: the relay waits, and only the ledger is measured.
        nats_url = f"nats://{HOST}:1"
        if with_nats:
            nats = NatsServer(home=folder / "nats", port=free_port(), log_folder=logs)
            nats.start()
            stack.callback(nats.stop)
            nats.wait_ready()
            nats_url = nats.url
        port = free_port()
        ledger = _start_ledger(postgres, nats_url, port, logs)
        stack.callback(ledger.stop)
        ledger.wait_until(grpc_ready(port))
        processes = {
            "ledger": psutil.Process(ledger.pid),
            "postgres": psutil.Process(postgres.process.pid),
        }
        yield Server(address=f"{HOST}:{port}", postgres=postgres, processes=processes)


def _start_ledger(postgres: PostgresServer, nats_url: str, port: int, logs: Path) -> Process:
    migrations = Command(
        name="migrations",
        argv=python_module("chassis.migrations"),
        environment=child_environment(DATABASE_URL=postgres.url()),
        folder=ROOT,
    )
    run(migrations, log_path=logs / "migrations.log")
    trust = logs / "trust.json"
    trust.write_text(of_house(KEYS).model_dump_json())
    environment = child_environment(
        DATABASE_URL=postgres.url(role="ledger"),
        NATS_URL=nats_url,
        TRUST_FILE=str(trust),
        ESCROW_EVENT_KEYS=EventSigner(new_key()).public_key,
        GRPC_PORT=str(port),
    )
    command = Command(
        name="ledger",
        argv=python_module("services.ledger"),
        environment=environment,
        folder=ROOT,
    )
    return Process(command, logs / "ledger.log")


def prepare(postgres: PostgresServer) -> str:
    """Create the tables of pgbench on the same server; return the URL of their database."""
    postgres.execute("create database {}", "pgbench")
    url = postgres.url(database="pgbench")
    _pgbench("--initialize", "--quiet", "--scale=10", url)
    return url


def pgbench(url: str, *, seconds: int) -> float:
    """Run TPC-B from 16 clients; return transactions per second."""
    told = _pgbench("--client=16", "--jobs=2", f"--time={seconds}", url)
    found = re.search(r"tps = ([0-9.]+)", told)
    assert found is not None, told
    return float(found[1])


def _pgbench(*arguments: str) -> str:
    command = [binary("pgbench"), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return done.stdout


async def measure(
    server: Server, arguments: argparse.Namespace
) -> tuple[list[Figures], list[float], list[str]]:
    """Run every measurement; return the figures, pgbench's rates, and the broken invariants."""
    url = prepare(server.postgres)

    async def beside() -> float:
        return await asyncio.to_thread(pgbench, url, seconds=BESIDE_SECONDS)

    async with open_channel(server.address) as channel:
        load = Load(server, ledger_pb2_grpc.LedgerServiceStub(channel))
        await load.open_accounts(count=arguments.users)
        await load.measure("warm-up", load.deposit, callers=16, size=1, seconds=1)
        server.postgres.execute("analyze")
        figures, rates = [], [await beside()]
        for kind, make in (("deposits", load.deposit), ("between users", load.payment)):
            for callers, size in ((1, 1), (64, 1), (4, 500)):
                name = f"{kind}, {callers} callers x {size}"
                seconds = arguments.seconds
                found = await load.measure(name, make, callers=callers, size=size, seconds=seconds)
                rates.append(await beside())
                found.beside = statistics.mean(rates[-2:])
                figures.append(found)
        # After so many writes in a short time the planner's statistics are old.
        server.postgres.execute("analyze")
        return figures, rates, await load.broken()


def main() -> None:
    """Measure, print, and exit with 1 if an invariant fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=6, help="of each measurement")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--with-nats", action="store_true", help="publish the events meanwhile")
    arguments = parser.parse_args()
    with serving(with_nats=arguments.with_nats) as server:
        figures, rates, broken = uvloop.run(measure(server, arguments))
    least, most = min(rates), max(rates)
    print(
        f"{'pgbench TPC-B, 16 clients':<34}{statistics.median(rates):8.0f}/s   1.00 x"
        f"  from {least:.0f}/s to {most:.0f}/s"
    )
    for one in figures:
        print(one.line())
    print("microseconds of CPU a transfer at the right; load average", psutil.getloadavg())
    print("\n".join(broken) or "every invariant holds")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
